from burnish.core.progress import Silent


def test_silence_takes_everything_and_says_nothing(capsys):
    progress = Silent()
    progress.say("news")
    with progress.task("work", 3) as task:
        task.advance()
        task.advance(2, note="done")
    assert capsys.readouterr().out == ""
