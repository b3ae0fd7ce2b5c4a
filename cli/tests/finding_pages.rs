//! docs/findings is what the rules say. `NETSCOPE_BLESS=1 cargo test -p netscope --test finding_pages` writes it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{env, fs};

use netscope::findings::{RULES, index, page};

fn expected() -> BTreeMap<String, String> {
    let pages = RULES.iter().map(|rule| (format!("{}.md", rule.id), page(rule)));
    pages.chain([("README.md".to_owned(), index())]).collect()
}

#[test]
fn the_committed_pages_are_those_of_the_rules() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/findings");
    let expected = expected();
    if env::var_os("NETSCOPE_BLESS").is_some() {
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in &expected {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    let mut committed = BTreeMap::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        committed.insert(entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap());
    }
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&committed), names(&expected), "docs/findings: bless with NETSCOPE_BLESS=1");
    for (name, text) in &expected {
        assert_eq!(committed.get(name), Some(text), "docs/findings/{name}: bless with NETSCOPE_BLESS=1");
    }
}
