use super::*;

async fn told(mode: Mode) -> (StoryOutcome, String) {
    crate::server::tls::install_crypto_provider();
    let settings = GuardSettings {
        mode,
        on_unresolved: OnUnresolved::Warn,
        claim_deadline: Duration::from_secs(90),
    };
    let mut text = Vec::new();
    let mut printer = StoryPrinter::new(&mut text, false);
    let args = DemoArgs { keep: false };
    let ending = demo(&args, settings, &mut printer).await.unwrap();
    (ending, String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn guards_that_refuse_bring_the_story_to_its_good_end() {
    let (ending, text) = told(Mode::Enforce).await;
    assert_eq!(ending, StoryOutcome::Good, "{text}");
    assert_eq!(text.matches("✗ Error from server").count(), 4, "{text}");
    assert!(text.lines().count() <= 80, "{text}");
}

#[tokio::test]
async fn a_verdict_that_is_not_as_it_should_be_ends_the_story() {
    let (ending, text) = told(Mode::Audit).await;
    assert_eq!(ending, StoryOutcome::WrongVerdict);
    assert!(
        text.contains("   Warning: aso-guard would refuse this"),
        "{text}"
    );
    assert!(
        text.ends_with("!! This should have been refused (LiveElsewhere).\n"),
        "{text}"
    );
}
