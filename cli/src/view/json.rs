//! The report as one JSON object (docs/schema/report.v1.json).

use serde::Serialize;

use crate::findings::{Assessment, Finding, Skipped};
use crate::model::Model;

/// The model's own fields, then what the rules said of them.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    model: &'a Model,
    verdict: &'a str,
    findings: &'a [Finding],
    passed: &'a [Finding],
    skipped: &'a [Skipped],
}

/// `model` and `assessment` as indented JSON, without a newline at the end.
///
/// # Errors
///
/// When serde_json fails; for these types it does not.
pub fn to_json(model: &Model, assessment: &Assessment) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&Report {
        model,
        verdict: &assessment.verdict,
        findings: &assessment.findings,
        passed: &assessment.passed,
        skipped: &assessment.skipped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing;

    #[test]
    fn one_object_holds_the_model_and_the_assessment() {
        let assessment = Assessment {
            findings: vec![],
            passed: vec![],
            skipped: vec![Skipped { id: "FD-001", reason: "no load declared".to_owned() }],
            verdict: "fine".to_owned(),
        };
        let text = to_json(&Model::at(&testing::sample()), &assessment).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["schema"], "netscope.report/1");
        assert_eq!(value["verdict"], "fine");
        assert_eq!(value["skipped"][0]["id"], "FD-001");
        assert_eq!(value["netns"]["somaxconn"], 4096);
        assert!(value.get("window").is_none() && value.get("ledger").is_none());
    }
}
