//! Uploads in parts that end only if nothing has their name.
//!
//! The protocol knows that since 2024: their last request may have the condition that there is no such
//! object. The crate that speaks it says so only where it copies; there, too, the condition is no part
//! of what is signed.

tokio::task_local! {
    /// Set while an upload ends that must not replace anything.
    static EXCLUSIVE: ();
}

/// Has an upload that ends in `work` end only if nothing has its name, where the store knows of that.
pub(crate) async fn exclusively<F: Future>(work: F) -> F::Output {
    EXCLUSIVE.scope((), work).await
}

#[cfg(feature = "s3")]
pub(crate) use connections::Connections;

#[cfg(feature = "s3")]
mod connections {
    use std::pin::Pin;

    use object_store::client::{
        HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService,
        ReqwestConnector,
    };
    use object_store::{ClientOptions, HeaderValue};

    use super::EXCLUSIVE;

    /// Connections to a server that is told the condition.
    #[derive(Debug)]
    pub(crate) struct Connections;

    impl HttpConnector for Connections {
        fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
            Ok(HttpClient::new(Conditional(ReqwestConnector::default().connect(options)?)))
        }
    }

    #[derive(Debug)]
    struct Conditional(HttpClient);

    impl HttpService for Conditional {
        fn call<'a, 'b>(
            &'a self,
            mut request: HttpRequest,
        ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
        where
            'a: 'b,
            Self: 'b,
        {
            let query = request.uri().query().unwrap_or_default();
            let ends_upload = request.method() == "POST"
                && query.split('&').any(|parameter| parameter.starts_with("uploadId="));
            if ends_upload && EXCLUSIVE.try_with(|()| ()).is_ok() {
                request.headers_mut().insert("if-none-match", HeaderValue::from_static("*"));
            }
            Box::pin(self.0.execute(request))
        }
    }
}
