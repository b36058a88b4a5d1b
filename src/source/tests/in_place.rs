//! Writers that write the file where it lies, and pause half-way: with what is whole, ends with its mark, and is not all.

use super::*;

/// Writes a whole but smaller file where it lies, and keeps it open: a writer that pauses half-way.
fn half_written(watched: &Watched) -> fs::File {
    let mut file = fs::File::options().write(true).truncate(true).open(&watched.path).unwrap();
    file.write_all(b"half\n...\n").unwrap();
    file
}

/// Waits until what somebody writes is known as such, and has been read often enough to be believed.
async fn is_seen_being_written(watched: &mut Watched) {
    watched.word_within(SOON, "changing".into(), |word| *word == FileState::Changing).await;
    for _ in 0..4 {
        watched.source.read_again().await;
        assert_eq!(*watched.words.borrow(), FileState::Changing);
    }
}

#[tokio::test]
async fn f6_f15_what_is_written_in_place_is_not_believed_before_its_writer_has_closed_it() {
    let (_directory, mut watched) = Watched::holding("before, and all\n...\n", Notice::Inotify).await;
    let mut file = half_written(&watched);
    is_seen_being_written(&mut watched).await;
    file.write_all(b"# and the rest\n...\n").unwrap();
    watched.source.read_again().await;
    assert_eq!(*watched.words.borrow(), FileState::Changing);
    drop(file);
    watched.says_within(Duration::from_secs(2), "half\n...\n# and the rest\n...\n").await;

    // A writer that ends half-way has closed it, too: what it left is what the file holds.
    drop(half_written(&watched));
    watched.says_within(Duration::from_secs(2), "half\n...\n").await;
}

#[tokio::test]
async fn f6_f15_a_file_that_is_made_anew_and_written_where_it_lies_is_not_believed_half() {
    let (_directory, mut watched) = Watched::holding("before, and all\n...\n", Notice::Inotify).await;
    fs::remove_file(&watched.path).unwrap();
    watched.complains_within(SOON, "is missing").await;
    let mut file = fs::File::create_new(&watched.path).unwrap();
    file.write_all(b"half\n...\n").unwrap();
    is_seen_being_written(&mut watched).await;
    file.write_all(b"# and the rest\n...\n").unwrap();
    drop(file);
    watched.says_within(Duration::from_secs(2), "half\n...\n# and the rest\n...\n").await;
}

#[tokio::test]
async fn f6_f17_who_writes_to_what_was_replaced_is_waited_for_no_more() {
    let (directory, mut watched) = Watched::holding("before\n...\n", Notice::Inotify).await;
    let file = half_written(&watched);
    is_seen_being_written(&mut watched).await;
    watched.replace("renamed\n...\n");
    watched.says_within(Duration::from_secs(2), "renamed\n...\n").await;
    drop(file);

    let path = directory.path().join("etc/file");
    tree(directory.path(), "etc", "before\n...\n");
    let mut watched = Watched::on(path, Notice::Inotify).await;
    let file = half_written(&watched);
    is_seen_being_written(&mut watched).await;
    fs::rename(directory.path().join("etc"), directory.path().join("old")).unwrap();
    tree(directory.path(), "etc", "another directory\n...\n");
    watched.says_within(SOON, "another directory\n...\n").await;
    drop(file);
}

#[tokio::test]
async fn f6_f15_a_writer_that_does_not_go_on_is_told_after_thirty_seconds_and_since_when() {
    let (_directory, mut watched) = Watched::holding("before\n...\n", Notice::Inotify).await;
    let file = half_written(&watched);
    is_seen_being_written(&mut watched).await;
    let (reads, began) = (watched.source.reads(), Instant::now());
    // The events have come: from here on only time passes.
    tokio::time::pause();
    let told = |word: &FileState| matches!(word, FileState::StillWritten { .. });
    watched.word_within(FILE_WRITTEN, "still being written".into(), told).await;
    assert!(began.elapsed() + SOON >= FILE_WRITTEN, "{:?}", began.elapsed());
    assert!(watched.source.reads() - reads <= 4, "its close is waited for, not looked for");
    timeout(FILE_POLL * 60, watched.words.wait_for(|word| !told(word))).await.expect_err("not believed");
    tokio::time::resume();
    drop(file);
    watched.says_within(SOON, "half\n...\n").await;
}
