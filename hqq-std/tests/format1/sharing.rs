//! Threads and links that share a side, and addresses.

use std::io::ErrorKind;

use hqq_std::{LinkAddr, Role};

use crate::common::{LIMIT, Name, bounded};
use crate::{nothing_more, patient, small};

#[test]
fn threads_share_a_link() {
    const EACH: u64 = 5_000;
    let numbers = bounded(|| {
        let (near, far) = small().shared().pair().unwrap();
        let near_clone = near.clone();
        let mut sending = Vec::new();
        for thread in 0..4 {
            let link = if thread % 2 == 0 { &near } else { &near_clone };
            let mut sender = link.sender();
            sending.push(std::thread::spawn(move || {
                for number in thread * EACH..(thread + 1) * EACH {
                    let message = number.to_le_bytes();
                    sender.send_timeout(&message, LIMIT).unwrap();
                }
            }));
        }
        let receiving: Vec<_> = (0..4)
            .map(|_| {
                let mut receiver = far.receiver();
                receiver.set_timeout(Some(LIMIT)).unwrap();
                std::thread::spawn(move || {
                    let mut numbers = Vec::new();
                    // As many for each: nothing tells when no more will come.
                    for message in receiver.incoming().take(EACH as usize) {
                        numbers.push(u64::from_le_bytes(message.unwrap().try_into().unwrap()));
                    }
                    numbers
                })
            })
            .collect();
        for thread in sending {
            thread.join().unwrap();
        }
        let numbers = receiving.into_iter().map(|thread| thread.join().unwrap());
        numbers.collect::<Vec<_>>()
    });
    for of_one in &numbers {
        for sender in 0..4 {
            let mine = of_one.iter().filter(|number| **number / EACH == sender);
            assert!(mine.is_sorted(), "the messages of one sender, in order");
        }
    }
    let mut all = numbers.concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..4 * EACH), "each exactly once");
}

#[test]
fn links_of_all_kinds_share_a_side() {
    let name = Name::new();
    let mut near = patient(small().create(&name).unwrap());
    let shared = small().shared().open(&name).unwrap();
    let mut alone = patient(small().open(&name).unwrap());
    let mut thread = shared.receiver();
    thread.set_timeout(Some(LIMIT)).unwrap();
    for number in 0..8 {
        near.send(&[number]).unwrap();
        let received = if number % 2 == 0 {
            alone.recv_vec()
        } else {
            thread.recv_vec()
        };
        assert_eq!(received.unwrap(), [number]);
    }
    alone.send(b"alone").unwrap();
    shared.sender().send(b"shared").unwrap();
    assert_eq!(near.recv_vec().unwrap(), b"alone");
    assert_eq!(near.recv_vec().unwrap(), b"shared");
}

#[test]
fn messages_with_addresses() {
    let name = Name::new();
    let mut near = patient(small().create(&name).unwrap());
    let mut far = patient(small().open(&name).unwrap());
    let path = name.path();
    assert_eq!(near.local_addr(), LinkAddr::new(&path, Role::Primary));
    assert_eq!(near.peer_addr(), far.local_addr());
    assert_eq!(near.send_to(b"hello", &far.local_addr()).unwrap(), 5);
    let mut buffer = [0; 16];
    let (len, from) = far.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..len], from), (&b"hello"[..], near.local_addr()));
    let own = near.local_addr();
    let error = near.send_to(b"hello", &own).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    nothing_more(&mut far);
}
