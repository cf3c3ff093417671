//! Grants: reserved buffers that are sent, aborted or let go of, and messages that are let go of
//! unread.

use hqq_core::ring::{Consumer, Producer};
use hqq_core::{Receiver, Role, Sender, TryRecvError, WriteGrant};
use loom::thread;

use crate::support::{
    BUFFERED, INLINE, assert_delivered, check, exclusive, expect_no_room_yet, expect_none_yet,
    receive_all, receiver, region, send, sender, shared, tag,
};

/// Reserves a buffer, yielding while there is none, and hands it to `use_grant`.
fn reserve<P: Producer>(sender: &mut Sender<P>, use_grant: impl FnOnce(WriteGrant<'_, P>)) {
    loop {
        match sender.try_reserve() {
            Ok(grant) => return use_grant(grant),
            Err(error) => expect_no_room_yet(error),
        }
    }
}

/// Two messages among buffers that are filled and then given up in each way there is.
fn give_up<P: Producer>(mut sender: Sender<P>) {
    let unsent = [0xff; BUFFERED];
    reserve(&mut sender, |mut grant| {
        let len = grant.capacity();
        grant.copy_from(0, &unsent[..len]).unwrap();
        drop(grant);
    });
    reserve(&mut sender, |mut grant| {
        let len = grant.capacity();
        // In two pieces, the second of which starts inside a word.
        grant.copy_from(0, &[tag(1, 1); 5]).unwrap();
        grant.copy_from(5, &[tag(1, 1); BUFFERED][5..len]).unwrap();
        grant.commit(len).unwrap();
    });
    reserve(&mut sender, |mut grant| {
        grant.copy_from(0, &unsent[..8]).unwrap();
        grant.abort(9);
    });
    send(&mut sender, tag(1, 2));
}

fn given_up_buffers(
    sender: Sender<impl Producer + Send + 'static>,
    receiver: Receiver<impl Consumer>,
) {
    let producer = thread::spawn(move || give_up(sender));
    let received = receive_all(receiver);
    producer.join().unwrap();
    assert_delivered(&[2], &[received]);
}

#[test]
fn exclusive_write_grants() {
    check(3, || {
        let region = region(BUFFERED);
        let (to, _back) = exclusive::<BUFFERED>(&region, Role::Primary);
        let (_forth, from) = exclusive::<BUFFERED>(&region, Role::Secondary);
        given_up_buffers(to, from);
    });
}

#[test]
fn shared_write_grants() {
    check(2, || {
        let region = region(BUFFERED);
        let (near, _back) = shared::<BUFFERED>(&region, Role::Primary);
        let (_forth, far) = shared::<BUFFERED>(&region, Role::Secondary);
        let (to, from) = (sender(&near), receiver(&far));
        drop((near, far));
        given_up_buffers(to, from);
    });
}

/// One sender lets go of a buffer while another sends: the tombstone fills a slot, and nobody sees
/// what was in the buffer.
#[test]
fn tombstone_between_two_senders() {
    check(2, || {
        let region = region(INLINE);
        let (near, _back) = shared::<INLINE>(&region, Role::Primary);
        let (_forth, from) = exclusive::<INLINE>(&region, Role::Secondary);
        let (mut quitter, mut to) = (sender(&near), sender(&near));
        drop(near);
        let quitter = thread::spawn(move || {
            reserve(&mut quitter, |mut grant| {
                grant.copy_from(0, &[0xff; INLINE]).unwrap();
                drop(grant);
            });
        });
        let producer = thread::spawn(move || send(&mut to, tag(1, 1)));
        let received = receive_all(from);
        quitter.join().unwrap();
        producer.join().unwrap();
        assert_delivered(&[1], &[received]);
    });
}

/// Lets go of every other message unread, and reads the rest in two pieces.
fn skip_every_other<C: Consumer>(mut receiver: Receiver<C>) -> Vec<u8> {
    let mut tags = Vec::new();
    let mut index = 0;
    loop {
        match receiver.try_next() {
            Ok(message) => {
                index += 1;
                if index % 2 == 0 {
                    let mut bytes = [0; BUFFERED];
                    let (first, rest) = bytes.split_at_mut(message.len() / 2 + 1);
                    assert_eq!(message.copy_to(0, first), first.len());
                    let copied = first.len() + message.copy_to(first.len(), rest);
                    assert_eq!(copied, message.len());
                    assert!(bytes.iter().take(copied).all(|byte| *byte == bytes[0]));
                    tags.push(bytes[0]);
                }
            }
            Err(TryRecvError::Disconnected) => return tags,
            Err(error) => expect_none_yet(error),
        }
    }
}

fn skipped_messages(
    mut sender: Sender<impl Producer + Send + 'static>,
    receiver: Receiver<impl Consumer>,
) {
    let producer = thread::spawn(move || {
        for index in 1..=4 {
            send(&mut sender, tag(1, index));
        }
    });
    let tags = skip_every_other(receiver);
    producer.join().unwrap();
    assert_eq!(tags, [tag(1, 2), tag(1, 4)]);
}

#[test]
fn exclusive_read_grants() {
    check(3, || {
        let region = region(BUFFERED);
        let (to, _back) = exclusive::<BUFFERED>(&region, Role::Primary);
        let (_forth, from) = exclusive::<BUFFERED>(&region, Role::Secondary);
        skipped_messages(to, from);
    });
}

#[test]
fn shared_read_grants() {
    check(2, || {
        let region = region(BUFFERED);
        let (to, _back) = exclusive::<BUFFERED>(&region, Role::Primary);
        let (_forth, far) = shared::<BUFFERED>(&region, Role::Secondary);
        let from = receiver(&far);
        drop(far);
        skipped_messages(to, from);
    });
}
