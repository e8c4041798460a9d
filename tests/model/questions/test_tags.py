"""Tags are read by one strict rule, however people's files hold them."""

import time
from contextlib import suppress

import pytest

from model.questions.posts import BadRow, parse_tags
from model.questions.tags import TagsError, read_tags


@pytest.mark.parametrize(
    ("value", "tags"),
    [("<a><b>", ("a", "b")), ("|a|b|", ("a", "b")), ("a, b c", ("a", "b", "c")), ("&lt;C#&gt;", ("c#",)),
     (["A ", "b", "a"], ("a", "b")), ("<asp.net-mvc><c++>", ("asp.net-mvc", "c++")), ("vim;emacs", ("vim", "emacs")),
     ("&amp;lt;go&amp;gt; &amp;lt;.net&amp;gt;", ("go", ".net")), ("\ufeff<a>", ("a",)), (b"<a>", ("a",)),
     ("['ruby', 'c++']", ("ruby", "c++")), ('["ruby"]', ("ruby",)), ("('ruby',)", ("ruby",)),
     ("{'go', 'c'}", ("go", "c")),
     ('{"c#",.net,NULL}', ("c#", ".net")), ("['perl' 'sed'\n 'awk']", ("perl", "sed", "awk")), ("[go, c]", ("go", "c")),
     ('c("go", "c")', ("go", "c")), ("WrappedArray(go, c)", ("go", "c")), ("[go][c]", ("go", "c")),
     ("array(['go', 'c'], dtype=object)", ("go", "c")), ("[np.str_('go'), np.str_('c')]", ("go", "c")),
     ("[u'go', u'c']", ("go", "c")), ('["c\\u002B\\u002B"]', ("c++",)), ("[['go'], ['c']]", ("go", "c")),
     ('"go", "c"', ("go", "c")), ('"go, c"', ("go", "c")), ('"[\\"go\\", \\"c\\"]"', ("go", "c")),
     ("[None, 'go']", ("go",)), (["s.m.a.r.t.", "C"], ("s.m.a.r.t.", "c")),
     (["<go><c>"], ("go", "c")), (["['go', 'c']"], ("go", "c")), (["go,c"], ("go", "c")),
     (["&lt;go&gt;", None], ("go",)),
     ("", ()), ("[]", ()), ("set()", ()), ("{}", ()), ("nan", ()), ("None", ()), ([], ()), (None, ()),
     (float("nan"), ())],
)  # fmt: skip
def test_a1_tags_are_read_however_they_are_written(value: object, tags: tuple[str, ...]) -> None:
    assert read_tags(value) == tags


@pytest.mark.parametrize(
    ("value", "reason"),
    [("['erlang'", "do not match"), ("erlang']", "do not match"), ("'erlang", "do not match"),
     ("<erlang", "do not match"),
     ("vim(erlang)", "do not match"), ("['erlang']vim", "do not match"), ("['erlang'}", "do not match"),
     ("['er''lang']", "do not match"), ('""erlang""', "do not match"),
     ("['erlang' 'vim' ... 'emacs']", "can be no tag"), ("erlang, vim.", "can be no tag"), ("#erlang", "can be no tag"),
     ("erlang/vim", "can be no tag"), ('{"name": "erlang"}', "do not match"), ("<erlang vim>", "can be no tag"),
     (["erlang vim"], "can be no tag"), ("['erlang vim']", "can be no tag"), ("[erlang vim, c]", "has a space"),
     ("erlang" * 6, "can be no tag"), ("erlañg", "can be no tag"), ("[erlang:c]", "can be no tag"),
     ("['erl\\nang']", "backslash"),
     (["erlang", 7], "list of int"), ({"erlang": 1}, "are dict"), (7, "are int"), (True, "are bool")],
)  # fmt: skip
def test_a1_what_is_no_tag_is_refused_with_the_reason_and_not_repeated(value: object, reason: str) -> None:
    with pytest.raises(BadRow, match=reason) as refusal:
        parse_tags(value)
    assert "erl" not in str(refusal.value)


@pytest.mark.parametrize("piece", ["[", "'", '"', "<a>", "<", "\\", "array(", "a,", "['a',", ", dtype=", "&#1", "u'"])
def test_hostile_tags_take_linear_time(piece: str) -> None:
    def seconds(chars: int) -> float:
        before = time.process_time()
        with suppress(TagsError):
            read_tags((piece * chars)[:chars])
        return time.process_time() - before

    assert min(seconds(40_000) for _ in range(3)) < 5 * min(seconds(10_000) for _ in range(3)) + 0.1
