//! What commands answer, and what is made of those that fail.

use std::process::Stdio;

use hqq_tests::Name;

use crate::{MIB, call, end, input, piped, random, serve, sha256};

#[test]
fn commands_answer_caller_after_caller() {
    for format in ["2", "1"] {
        let name = Name::new();
        let methods = ["1=wc -c", "2=cat", "3=echo $HQQ_METHOD", "4=true"];
        let server = serve(&name, format, &methods);
        for len in [0, 1, 70_000] {
            let bytes = random(len);
            let text = call(&name, "1", input(&bytes)).text();
            assert_eq!(text.trim(), len.to_string());
            // A pipe, of which nobody knows how long it is.
            let text = call(&name, "1", piped(bytes.clone())).text();
            assert_eq!(text.trim(), len.to_string());
            assert!(call(&name, "2", input(&bytes)).ok() == bytes);
            assert_eq!(call(&name, "3", input(&bytes)).text(), "3\n");
            assert_eq!(call(&name, "4", input(&bytes)).ok(), b"");
        }
        assert_eq!(end(server, &name), "");
    }
}

#[test]
fn a_hundred_mebibytes_go_in_and_come_out() {
    let bytes = random(100 * MIB);
    let expected = sha256(input(&bytes));
    for format in ["2", "1"] {
        let name = Name::new();
        let server = serve(&name, format, &["1=sha256sum", "2=cat"]);
        assert_eq!(call(&name, "1", input(&bytes)).text(), expected);
        assert!(call(&name, "2", input(&bytes)).ok() == bytes);
        if format == "2" {
            let answer = call(&name, "1", piped(bytes.clone()));
            assert_eq!(answer.text(), expected);
        }
        assert_eq!(end(server, &name), "");
    }
}

#[test]
fn failures_are_error_responses() {
    for format in ["2", "1"] {
        let name = Name::new();
        let methods = ["1=echo partly; exit 3", "2=kill -9 $$", "3=cat"];
        let server = serve(&name, format, &methods);
        let outcome = call(&name, "1", Stdio::null()).with_code(1);
        outcome.complains(&["status 3", "partly"]);
        assert_eq!(outcome.stdout, b"");
        let outcome = call(&name, "2", Stdio::null()).with_code(1);
        outcome.complains(&["status 137"]);
        // Also while the request is still being sent.
        for len in [0, 10 * MIB] {
            let outcome = call(&name, "9", input(&vec![0; len])).with_code(1);
            outcome.complains(&["status 6", "no such method"]);
        }
        assert_eq!(call(&name, "3", input(b"go on")).ok(), b"go on");
        assert_eq!(end(server, &name), "");
    }
}

#[test]
fn a_command_that_fails_after_much_output_breaks_the_answer_off() {
    let name = Name::new();
    let server = serve(&name, "2", &["1=head -c 3000000 /dev/zero; exit 4"]);
    let outcome = call(&name, "1", Stdio::null()).with_code(1);
    outcome.complains(&["broke off"]);
    assert!(end(server, &name).contains("status 4"));
}

#[test]
fn a_command_need_not_read_its_input() {
    for format in ["2", "1"] {
        let name = Name::new();
        let server = serve(&name, format, &["1=echo enough", "2=head -c 3"]);
        let bytes = vec![b'x'; 5 * MIB];
        assert_eq!(call(&name, "1", input(&bytes)).text(), "enough\n");
        assert_eq!(call(&name, "2", input(&bytes)).text(), "xxx");
        assert_eq!(end(server, &name), "");
    }
}
