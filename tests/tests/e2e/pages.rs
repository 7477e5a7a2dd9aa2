//! The page on which users manage their account. `cargo xtask interop` opens it in a browser.

use aquaware_tests::Setup;

#[test]
fn the_account_page_uses_the_published_library() {
    let server = Setup::new().start();
    let client = server.client();
    let page = client.get("/account").send().expect(200);
    assert!(page.text().contains("/account/account.js"));
    assert!(page.header("content-security-policy").is_some_and(|it| !it.contains("unsafe")));
    let served = client.get("/account/client.js").send().expect(200);
    assert_eq!(served.text(), include_str!("../../../clients/js/client.js"));
}

#[test]
fn without_pages_the_account_page_is_unknown() {
    let server = Setup::new().set("pages", "false").start();
    for path in ["/account", "/account/", "/account/account.js"] {
        server.client().get(path).send().is_problem(404, "not_found");
    }
}
