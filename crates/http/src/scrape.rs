//! `GET /metrics`.

use actix_web::http::header::{self, Accept, Header as _, Quality};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::metrics::Format;
use crate::state::State;

/// All metrics, as OpenMetrics if `Accept` prefers it, otherwise in the text format 0.0.4.
pub(crate) async fn metrics(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    let format = format(&request);
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::VARY, "Accept"))
        .content_type(format.media_type())
        .body(state.metrics.render(format, &state.context()))
}

fn format(request: &HttpRequest) -> Format {
    let Ok(accept) = Accept::parse(request) else { return Format::Text };
    let quality = |media_type: &str| {
        let accepted = accept.iter().filter(|it| it.item.essence_str() == media_type);
        accepted.map(|it| it.quality).max().unwrap_or(Quality::ZERO)
    };
    let open_metrics = quality("application/openmetrics-text");
    if open_metrics > Quality::ZERO && open_metrics >= quality("text/plain") {
        Format::OpenMetrics
    } else {
        Format::Text
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn open_metrics_is_returned_only_if_it_is_preferred() {
        let of = |accept: &str| {
            format(&TestRequest::default().insert_header(("accept", accept)).to_http_request())
        };
        for accept in [
            "application/openmetrics-text",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
            "text/plain, application/openmetrics-text",
        ] {
            assert_eq!(of(accept), Format::OpenMetrics, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/plain",
            "application/json",
            "text/plain;q=0.5, application/openmetrics-text;q=0.4",
            "application/openmetrics-text;q=0",
        ] {
            assert_eq!(of(accept), Format::Text, "{accept}");
        }
        assert_eq!(format(&TestRequest::default().to_http_request()), Format::Text);
    }
}
