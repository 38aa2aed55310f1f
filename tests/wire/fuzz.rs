//! Input that nobody thought of, over TLS.

use proptest::collection::vec;
use proptest::prelude::*;

use super::hostile::{goes_on, serve};
use super::server::Version;
use super::slips::{good, slip};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn slips_disturb_no_connection(bodies in vec((good(), vec(slip(), 1..5)), 20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = serve().await;
            let mut client = server.connect(Version::Http2).await;
            for (good, slips) in bodies {
                let mut body = good.into_bytes();
                for slip in &slips {
                    slip.apply(&mut body);
                }
                let reply = client.post("/validate", body).await;
                assert!(matches!(reply.status.as_u16(), 200 | 400), "{}", reply.text());
            }
            goes_on(&mut client).await;
        });
    }
}
