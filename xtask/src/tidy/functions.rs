//! Functions are short and shallow.

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::Violation;
use super::tree::{File, Tree};

/// Lines a function stays under, from its signature to its closing brace.
const LINES: usize = 60;
/// Levels of `if`, `match`, loops and closures a function stays under.
const NESTING: usize = 5;

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    tree.rust().flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Violation> {
    match syn::parse_file(&file.text) {
        Ok(syntax) => {
            let mut visitor = Functions { path: &file.path, depth: 0, deepest: 0, found: Vec::new() };
            visitor.visit_file(&syntax);
            visitor.found
        }
        Err(error) => {
            let advice = format!("cannot be parsed: {error}");
            let line = error.span().start().line;
            vec![Violation { path: file.path.clone(), line, rule: "functions", advice }]
        }
    }
}

struct Functions<'a> {
    path: &'a str,
    depth: usize,
    deepest: usize,
    found: Vec<Violation>,
}

impl Functions<'_> {
    /// Measures one function; `walk` visits its body. A nested function is measured separately.
    fn function(&mut self, name: &syn::Ident, start: Span, end: Span, walk: impl FnOnce(&mut Self)) {
        let outer = (self.depth, self.deepest);
        (self.depth, self.deepest) = (0, 0);
        walk(self);
        let deepest = self.deepest;
        (self.depth, self.deepest) = outer;

        let line = start.start().line;
        let lines = end.end().line.saturating_sub(line).saturating_add(1);
        if lines >= LINES {
            self.report(line, format!("`{name}` has {lines} lines; split it (under {LINES})"));
        }
        if deepest >= NESTING {
            let advice =
                format!("`{name}` nests {deepest} levels; return early or split it (under {NESTING})");
            self.report(line, advice);
        }
    }

    fn report(&mut self, line: usize, advice: String) {
        self.found.push(Violation { path: self.path.to_owned(), line, rule: "functions", advice });
    }

    fn deeper(&mut self, walk: impl FnOnce(&mut Self)) {
        self.depth = self.depth.saturating_add(1);
        self.deepest = self.deepest.max(self.depth);
        walk(self);
        self.depth = self.depth.saturating_sub(1);
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let (start, end) = (item.sig.span(), item.block.span());
        self.function(&item.sig.ident, start, end, |this| visit::visit_item_fn(this, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        let (start, end) = (item.sig.span(), item.block.span());
        self.function(&item.sig.ident, start, end, |this| visit::visit_impl_item_fn(this, item));
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        let Some(block) = &item.default else { return };
        let (start, end) = (item.sig.span(), block.span());
        self.function(&item.sig.ident, start, end, |this| visit::visit_trait_item_fn(this, item));
    }

    fn visit_expr_if(&mut self, expr: &'ast syn::ExprIf) {
        self.visit_expr(&expr.cond);
        self.deeper(|this| this.visit_block(&expr.then_branch));
        match expr.else_branch.as_ref().map(|(_, branch)| &**branch) {
            // `else if` reads as one list of cases, not as one inside the other.
            Some(syn::Expr::If(chained)) => self.visit_expr_if(chained),
            Some(other) => self.deeper(|this| this.visit_expr(other)),
            None => {}
        }
    }

    fn visit_expr_match(&mut self, expr: &'ast syn::ExprMatch) {
        self.deeper(|this| visit::visit_expr_match(this, expr));
    }

    fn visit_expr_loop(&mut self, expr: &'ast syn::ExprLoop) {
        self.deeper(|this| visit::visit_expr_loop(this, expr));
    }

    fn visit_expr_while(&mut self, expr: &'ast syn::ExprWhile) {
        self.deeper(|this| visit::visit_expr_while(this, expr));
    }

    fn visit_expr_for_loop(&mut self, expr: &'ast syn::ExprForLoop) {
        self.deeper(|this| visit::visit_expr_for_loop(this, expr));
    }

    fn visit_expr_closure(&mut self, expr: &'ast syn::ExprClosure) {
        self.deeper(|this| visit::visit_expr_closure(this, expr));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let tree = Tree::from_files(&[("a.rs", text)]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    fn function(lines: usize) -> String {
        format!("/// Doc.\nfn long() {{\n{}}}\n", "    step();\n".repeat(lines.saturating_sub(2)))
    }

    #[test]
    fn a_function_at_the_limit_is_too_long() {
        assert_eq!(found(&function(59)), [""; 0]);
        assert_eq!(found(&function(60)), ["a.rs:2: functions: `long` has 60 lines; split it (under 60)"]);
    }

    #[test]
    fn methods_and_default_methods_count() {
        let body = function(60);
        assert_eq!(found(&format!("impl A {{ {body} }}")).len(), 1);
        assert_eq!(found(&format!("trait A {{ {body} }}")).len(), 1);
        assert_eq!(found(&format!("mod tests {{ {body} }}")).len(), 1);
    }

    #[test]
    fn five_levels_are_too_deep() {
        let four = "fn f() { if a { match b { _ => loop { xs.map(|x| x) } } } }";
        assert_eq!(found(four), [""; 0]);
        let five = "fn f() { if a { match b { _ => loop { xs.map(|x| { while x {} }) } } } }";
        let expected = "a.rs:1: functions: `f` nests 5 levels; return early or split it (under 5)";
        assert_eq!(found(five), [expected]);
    }

    #[test]
    fn chains_of_else_if_are_one_level() {
        let chain = "fn f() { if a {} else if b {} else if c {} else if d {} else if e {} else {} }";
        assert_eq!(found(chain), [""; 0]);
        let inside = "fn f() { if a {} else { for x in y { if b { loop { while c {} } } } } }";
        assert_eq!(found(inside).len(), 1);
    }

    #[test]
    fn an_inner_function_starts_anew() {
        let inner = "fn f() { if a { if b { if c { fn g() { if d { if e {} } } } } } }";
        assert_eq!(found(inner), [""; 0]);
    }

    #[test]
    fn what_cannot_be_parsed_is_reported() {
        assert!(found("fn f( {").first().is_some_and(|text| text.contains("cannot be parsed")));
    }
}
