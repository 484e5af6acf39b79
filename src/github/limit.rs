//! Rate limits: how long GitHub asks to wait.
//!
//! GitHub's documentation, "Rate limits for the REST API": go by `retry-after`; else, where nothing remains, by the time of the
//! reset; else wait a minute, and longer each time.

use std::time::Duration;

use http::HeaderMap;

/// How long it is waited where GitHub does not say.
const UNSAID: Duration = Duration::from_mins(1);

/// How long to wait before the same is asked again; `None` where the refusal is not about how often something is asked.
pub fn pause(status: u16, headers: &HeaderMap, body: &str, now: i64, attempt: u32) -> Option<Duration> {
    if !matches!(status, 403 | 429) {
        return None;
    }
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    if let Some(seconds) = number("retry-after") {
        return Some(seconds_of(seconds.max(1)));
    }
    if number("x-ratelimit-remaining") == Some(0)
        && let Some(reset) = number("x-ratelimit-reset")
    {
        // A second more, for clocks count whole ones.
        return Some(seconds_of(reset.saturating_sub(now).max(0).saturating_add(1)));
    }
    let body = body.to_lowercase();
    let is_limit = status == 429 || ["rate limit", "abuse detection"].iter().any(|text| body.contains(text));
    is_limit.then(|| UNSAID * 2_u32.saturating_pow(attempt.min(6)))
}

fn seconds_of(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Option<u64> {
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
        });
        pause(status, &headers.collect(), body, 1_000, 0).map(|pause| pause.as_secs())
    }

    #[test]
    fn what_github_says_is_what_is_waited() {
        assert_eq!(asked(403, &[("retry-after", "12")], ""), Some(12));
        assert_eq!(
            asked(429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "4600")], ""),
            Some(3601)
        );
        assert_eq!(asked(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "10")], ""), Some(1));
        assert_eq!(asked(403, &[], "You have exceeded a secondary rate limit"), Some(60));
        assert_eq!(asked(429, &[], ""), Some(60));
    }

    #[test]
    fn a_refusal_for_another_reason_is_not_waited_for() {
        assert_eq!(asked(403, &[("x-ratelimit-remaining", "4999")], "Resource not accessible"), None);
        assert_eq!(asked(404, &[("retry-after", "12")], ""), None);
    }
}
