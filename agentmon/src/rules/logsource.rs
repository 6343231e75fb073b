//! The `logsource:` of a rule: which category it asks for, or that it is for something else.
//!
//! Not for: which events are of a category (`super::category`).

use super::category::{self, Category};
use super::diagnostic::{Problem, SKIPPED, Severity};
use super::yaml::{Node, Value};

/// The category a rule asks for. A warning: the rule is for something else; an error: nobody knows for what.
fn logsource(document: &Node) -> Result<Category, Problem> {
    let Some(logsource) = document.get("logsource").filter(|node| matches!(node.value, Value::Map(_))) else {
        return Err(Problem::error(document.at, "`logsource` is missing or not a mapping")
            .hint("for example: {product: linux, category: file_event}"));
    };
    for (key, _) in logsource.entries() {
        let known = ["category", "product", "service", "definition"];
        if !known.contains(&key.text.as_str()) {
            return Err(Problem::error(key.at, format!("unknown key `{}` in `logsource`", key.text)).suggest(&key.text, known));
        }
    }
    if let Some(product) = logsource.get("product").filter(|product| product.text() != Some("linux")) {
        let name = product.text().unwrap_or_default();
        return Err(Problem::warning(product.at, format!("{SKIPPED}the rule is for product `{name}`, this monitor watches linux")));
    }
    if let Some(service) = logsource.get("service") {
        let name = service.text().unwrap_or_default();
        if name == Category::Auditd.name() {
            return match logsource.get("category") {
                None => Ok(Category::Auditd),
                Some(category) => Err(Problem::error(category.at, "records of `service: auditd` have no category: leave one out")),
            };
        }
        return Err(Problem::warning(service.at, format!("{SKIPPED}the rule reads the log of service `{name}`, this monitor reads none")));
    }
    let Some(category) = logsource.get("category") else {
        if logsource.get("product").is_some() {
            let at = logsource.at;
            return Err(Problem::warning(
                at,
                format!("{SKIPPED}the rule names no category: it reads lines of any log, this monitor reads none"),
            ));
        }
        return Err(Problem::error(logsource.at, "`category` is missing in `logsource`"));
    };
    let name = category.text().unwrap_or_default();
    let known = Category::OF_OPERATIONS.iter().map(|category| category.name());
    Category::from_name(name).ok_or_else(|| {
        if name == Category::Auditd.name() {
            return Problem::error(category.at, "`auditd` is no category").hint("write `service: auditd`");
        }
        if category::NOT_YET.contains(&name) {
            return Problem::error(category.at, format!("no event of this build has the category `{name}`"));
        }
        Problem::error(category.at, format!("unknown category `{name}`")).suggest(name, known)
    })
}

/// The category a document is about; `Some(None)` when it names none that there is. `None` of one for another product or
/// service, in whose words we would find mistakes that are none.
pub(super) fn category(document: &Node, problems: &mut Vec<Problem>) -> Option<Option<Category>> {
    let (category, problem) = match logsource(document) {
        Ok(category) => return Some(Some(category)),
        Err(problem) if problem.severity == Severity::Warning => (None, problem),
        Err(problem) => (Some(None), problem),
    };
    problems.push(problem);
    category
}
