"""Random lines of the expansion language from a seed: the grammar that Exim and godwit share,
bounded in depth and length. Everything in it is pure: no files, no processes, no time."""

import random

WORDS = ["", "a", "b", "abc", "x.y", "a@b.c", "Foo Bar", "1", "7", "-3", "10k", "a:b:c", "3:1:2", "10.1.2.3",
         "2001:db8::1", "k=v w=\"x y\"", "<;a;b;c", "yes", "no", "YWJj", "616263", "1h30m", "\\n", "\\x41", "<a@b>"]
NUMBERS = ["0", "1", "2", "3", "7", "12", "100", "4096", "-1", "-5", "1k", "0x1f", "017"]
ADDRESSES = ["a@b.c", "joe@example.org", "Joe <joe@x.y>", "\"a b\"@c.d", "(x) a@b", "joe", "", "a b@c", "<a@b>", "a@"]
OPERATORS = ["base62", "base62d", "base32", "base32d", "base64", "base64d", "escape",
             "escape8bit", "hex2b64", "lc", "uc", "length_2", "substr_1_2", "substr_-2_1", "substr_2", "hash_3",
             "hash_2_40", "nhash_10", "nhash_8_64", "listcount", "md5", "sha1", "sha256", "quote",
             "quote_local_part", "rxquote", "str2b64", "strlen", "rfc2047", "time_eval", "time_interval", "reverse_ip",
             "utf8clean", "from_utf8", "hexquote", "ipv6denorm"]
COMPARE_TEXT = ["eq", "eqi", "lt", "lti", "le", "lei", "gt", "gti", "ge", "gei"]
COMPARE_NUMBER = ["=", "==", "<", "<=", ">", ">="]
PATTERNS = ["a", "b", "^a", "(.)(.)", "[0-9]+", "\\\\.", "x*", "(?i)B", ".", "c\\$"]
VARIABLES = ["$primary_hostname", "${primary_hostname}", "$qualify_domain", "$acl_m_none", "$sender_host_address",
             "$tod_zone"]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, choices):
        return self.random.choice(choices)

    def text(self, depth, inside=()):
        """One to three pieces; `inside` are the variables that mean something here."""
        return "".join(self.piece(depth, inside) for _ in range(self.random.randint(1, 3)))

    def piece(self, depth, inside):
        kind = self.random.random()
        if depth <= 0 or kind < 0.35:
            return self.pick(WORDS)
        if inside and kind < 0.5:
            return self.pick(inside)
        if kind < 0.56:
            return self.pick(VARIABLES)
        if kind < 0.75:
            if self.random.random() < 0.12:
                return "${" + self.pick(["address", "local_part", "domain"]) + ":" + self.pick(ADDRESSES) + "}"
            return "${" + self.pick(OPERATORS) + ":" + self.text(depth - 1, inside) + "}"
        return self.item(depth, inside)

    def arithmetic(self, depth):
        if depth <= 0 or self.random.random() < 0.4:
            return self.pick(NUMBERS)
        sign = self.pick(["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"])
        blank = self.pick(["", " "])
        right = self.pick(["1", "2", "3"]) if sign in ("<<", ">>") else self.arithmetic(depth - 1)
        made = self.arithmetic(depth - 1) + blank + sign + blank + right
        return "(" + made + ")" if self.random.random() < 0.3 else made

    def item(self, depth, inside):
        name = self.pick(["if", "if", "if", "map", "filter", "reduce", "sort", "extract", "extract_key", "listextract",
                          "sg", "tr", "substr", "length", "hash", "hmac", "listquote", "eval"])
        return getattr(self, "item_" + name)(depth - 1, inside)

    def branches(self, depth, inside, more=()):
        """`more` means something in the first branch only: elsewhere Exim has what an earlier item left."""
        both = self.random.random()
        yes = "{" + self.text(depth, (*inside, *more)) + "}"
        if both < 0.15:
            return ""
        return yes + ("" if both < 0.3 else "{" + self.text(depth, inside) + "}")

    def item_if(self, depth, inside):
        condition, more = self.condition(depth, inside)
        blank = self.pick(["", " "])
        return "${if " + condition + blank + self.branches(depth, inside, more) + "}"

    def item_map(self, depth, inside):
        return "${map{" + self.text(depth, inside) + "}{" + self.text(depth, (*inside, "$item")) + "}}"

    def item_filter(self, depth, inside):
        condition, _ = self.condition(depth, (*inside, "$item"))
        return "${filter{" + self.text(depth, inside) + "}{" + condition + "}}"

    def item_reduce(self, depth, inside):
        return ("${reduce{" + self.text(depth, inside) + "}{" + self.pick(WORDS) + "}{"
                + self.pick(["$value$item", "$item", "${strlen:$value}"]) + "}}")

    def item_sort(self, depth, inside):
        order = self.pick(["lt", "gt", "lti", "gti"])
        return "${sort{" + self.pick(["c:a:b", "b:B:a:A", "x", "3:20:1"]) + "}{" + order + "}{$item}}"

    def item_extract(self, depth, inside):
        return ("${extract{" + self.pick(["1", "2", "-1", "-2", "9"]) + "}{" + self.pick([":", ".", ":.", "@"]) + "}{"
                + self.text(depth, inside) + "}" + self.branches(depth, inside, ("$value",)) + "}")

    def item_extract_key(self, depth, inside):
        return ("${extract{" + self.pick(["k", "w", "z"]) + "}{" + self.pick(["k=1 w=2", "k=\"a b\"", "w = 3 k=", "z"])
                + "}" + self.branches(depth, inside, ("$value",)) + "}")

    def item_listextract(self, depth, inside):
        return ("${listextract{" + self.pick(["1", "2", "-1", "5"]) + "}{" + self.text(depth, inside) + "}"
                + self.branches(depth, inside, ("$value",)) + "}")

    def item_sg(self, depth, inside):
        return ("${sg{" + self.text(depth, inside) + "}{" + self.pick(PATTERNS) + "}{"
                + self.pick(["", "-", "<\\$0>", "\\$1\\$2", "x"]) + "}}")

    def item_tr(self, depth, inside):
        return "${tr{" + self.text(depth, inside) + "}{" + self.pick(["ab", "abc", "."]) + "}{" + self.pick(["x", "xy", ""]) + "}}"

    def item_substr(self, depth, inside):
        numbers = self.pick(["{1}{2}", "{-2}{1}", "{2}", "{-1}", "{0}{9}"])
        return "${substr" + numbers + "{" + self.text(depth, inside) + "}}"

    def item_length(self, depth, inside):
        return "${length{" + self.pick(["0", "1", "3", "99"]) + "}{" + self.text(depth, inside) + "}}"

    def item_hash(self, depth, inside):
        return "${" + self.pick(["hash{3}", "nhash{9}", "nhash{8}{9}", "hash{2}{20}"]) + "{" + self.text(depth, inside) + "}}"

    def item_hmac(self, depth, inside):
        return "${hmac{" + self.pick(["md5", "sha1"]) + "}{key}{" + self.text(depth, inside) + "}}"

    def item_listquote(self, depth, inside):
        return "${listquote{" + self.pick([":", ";", ","]) + "}{" + self.text(depth, inside) + "}}"

    def item_eval(self, depth, _):
        return "${" + self.pick(["eval", "eval10"]) + ":" + self.arithmetic(min(depth, 3)) + "}"

    def condition(self, depth, inside):
        """The condition, and the variables that it sets for the branches."""
        kind = self.pick(["text", "text", "number", "match", "bool", "isip", "inlist", "forany", "def", "and", "list"])
        negation = "!" if self.random.random() < 0.15 else ""
        made, more = getattr(self, "condition_" + kind)(depth - 1, inside)
        return negation + made, () if negation else more

    def condition_text(self, depth, inside):
        return self.pick(COMPARE_TEXT) + "{" + self.text(depth, inside) + "}{" + self.text(depth, inside) + "}", ()

    def condition_number(self, depth, inside):
        return self.pick(COMPARE_NUMBER) + "{" + self.pick(["1", "2", "-1", "1k", "", " 3 "]) + "}{" + self.pick(
            ["1", "2", "1024", "0"]) + "}", ()

    def condition_match(self, depth, inside):
        return "match{" + self.text(depth, inside) + "}{" + self.pick(["(.)(.)", "^(a)", "(b)?c", "([0-9]+)"]) + "}", (
            "$1", "$2")

    def condition_bool(self, depth, inside):
        return self.pick(["bool{yes}", "bool{0}", "bool{}", "bool_lax{" + self.text(depth, inside) + "}"]), ()

    def condition_isip(self, depth, inside):
        return self.pick(["isip", "isip4", "isip6"]) + "{" + self.text(depth, inside) + "}", ()

    def condition_inlist(self, depth, inside):
        return self.pick(["inlist", "inlisti"]) + "{" + self.pick(WORDS) + "}{" + self.text(depth, inside) + "}", ("$value",)

    def condition_forany(self, depth, inside):
        inner, _ = self.condition(min(depth, 1), (*inside, "$item"))
        return self.pick(["forany", "forall"]) + "{" + self.text(depth, inside) + "}{" + inner + "}", ()

    def condition_def(self, depth, inside):
        return "def:" + self.pick(["primary_hostname", "acl_m_none", "sender_host_address", "h_none:"]) + " ", ()

    def condition_and(self, depth, inside):
        parts = [self.condition(min(depth, 1), inside)[0] for _ in range(self.random.randint(1, 3))]
        return self.pick(["and", "or"]) + "{" + "".join("{" + part + "}" for part in parts) + "}", ()

    def condition_list(self, depth, inside):
        return self.pick(["match_domain{", "match_local_part{"]) + self.pick(["a.b", "x.c", "abc", "q"]) + "}{" + self.pick(
            ["a.b", "*.c : a.b", "!q : *", "^a", ""]) + "}", ()


def lines(seed, count):
    """`count` lines, the same for the same seed."""
    made = Generator(seed)
    found = []
    while len(found) < count:
        line = made.text(4)
        # Exim takes a capital letter at the start for a macro.
        if line and not line[0].isupper() and not line[0].isspace() and len(line) < 400 and "\\" != line[-1]:
            found.append(line)
    return found
