package query

import (
	"errors"
	"strings"
	"testing"
)

func TestParseRefusesWithThePlace(t *testing.T) {
	tests := map[string]struct {
		text string
		at   int
		msg  string // begins the message
	}{
		"nothing":                        {"", 1, "the query is empty"},
		"only space":                     {" \t ", 1, "the query is empty"},
		"bytes that are not UTF-8":       {"dog \xff", 5, "the query is not valid UTF-8"},
		"such bytes behind typed U+FFFD": {"\ufffd\ufffd \xff", 4, "the query is not valid UTF-8"},

		"no closing quote":               {`dogs running "in the snow`, 14, "missing closing quote"},
		"no closing quote in a field":    {`camera:"canon`, 8, "missing closing quote"},
		"an empty phrase":                {`dog ""`, 5, "the phrase has no letter or digit"},
		"a quote inside a word":          {`dog"s`, 4, "missing space before the quote"},
		"a quote inside a field":         {`iso:8"00"`, 6, "missing space before the quote"},
		"no space after a phrase":        {`"dog"s`, 6, "missing space after the closing quote"},
		"a wildcard after a phrase":      {`"dog"*`, 6, "missing space after the closing quote"},
		"a parenthesis after a phrase":   {`"dog"(a)`, 6, "missing space after the closing quote"},
		"a lone hyphen":                  {"dog - cat", 5, `"-" with nothing after it`},
		"a hyphen at the end":            {"dog -", 5, `"-" with nothing after it`},
		"a hyphen at a group's end":      {"(dog -)", 6, `"-" with nothing after it`},
		"two hyphens":                    {"dog --cat", 6, `unexpected "-cat"`},
		"a dash for a hyphen":            {"dog –cat", 5, `unexpected "–cat"`},
		"a dash before a beginning":      {"dog —cat*", 5, `unexpected "—cat"`},
		"an exclamation mark for not":    {"dog !cat", 5, `unexpected "!cat"`},
		"NOT":                            {"dog NOT cat", 5, `unexpected "NOT"`},
		"punctuation alone":              {"dog & cat", 5, `"&" has no letter or digit`},
		"the place counts characters":    {"été & cat", 5, `"&" has no letter or digit`},
		"OR with nothing before it":      {"OR dog", 1, "OR needs something on both sides"},
		"OR with nothing after it":       {"dog OR ", 5, "OR needs something on both sides"},
		"OR twice":                       {"dog OR OR cat", 5, "OR needs something on both sides"},
		"OR alone":                       {"OR", 1, "OR needs something on both sides"},
		"OR first in a group":            {"dog (OR cat)", 6, "OR needs something on both sides"},
		"OR last in a group":             {"(dog OR) cat", 6, "OR needs something on both sides"},
		"OR with only an order after it": {"dog OR sort:date", 5, "OR needs something on both sides"},
		"OR with only an order before":   {"sort:date OR dog", 11, "OR needs something on both sides"},
		"OR left out":                    {"a -OR b", 4, `unexpected "OR"`},
		"OR before a group":              {"a OR(b c)", 3, `unexpected "OR"`},

		"a group without end":             {"a (b", 3, "missing closing parenthesis"},
		"a group without an end inside":   {"((a) b", 1, "missing closing parenthesis"},
		"an open parenthesis alone":       {"(", 1, "missing closing parenthesis"},
		"a parenthesis behind a word":     {"dog) cat", 4, `unexpected ")"`},
		"a parenthesis too many":          {"(dog) ) cat", 7, `unexpected ")"`},
		"a closing parenthesis alone":     {")", 1, `unexpected ")"`},
		"an empty group":                  {"dog ()", 5, "nothing between the parentheses"},
		"an empty group left out":         {"dog -( )", 6, "nothing between the parentheses"},
		"an open parenthesis in a word":   {"IMG(1)", 4, "missing space before the parenthesis"},
		"a word right behind a group":     {"(a)b", 4, "missing space after the closing parenthesis"},
		"a group right behind a group":    {"(a)(b)", 4, "missing space after the closing parenthesis"},
		"a phrase right behind a group":   {`(a)"b"`, 4, "missing space after the closing parenthesis"},
		"too many groups in each other":   {strings.Repeat("(", 51) + "a" + strings.Repeat(")", 51), 51, "parentheses are nested more than 50 deep"},
		"too many words":                  {strings.Repeat("a ", 100) + "b", 201, "the query has more than 100 words and filters"},
		"too many words in groups":        {strings.Repeat("(a a) ", 50) + "-b OR c", 302, "the query has more than 100 words and filters"},
		"a wildcard within a word":        {"sn*w", 3, `"*" can only stand at the end of a word`},
		"a wildcard before a word":        {"*now", 1, `"*" can only stand at the end of a word`},
		"two wildcards":                   {"snow**", 5, `"*" can only stand at the end of a word`},
		"a wildcard of one letter":        {"a s*", 3, `"s*" needs at least two letters or digits before the "*"`},
		"a wildcard alone":                {"*", 1, `"*" needs at least two letters or digits`},
		"a wildcard behind punctuation":   {"--s*", 2, `unexpected "-s"`},
		"fuzziness in numbers":            {"brige~2", 6, `"~" can only stand at the end of a word`},
		"fuzziness of one letter":         {"a-~", 1, `"a-~" needs at least two letters or digits before the "~"`},
		"fuzziness before a word":         {"-~brige", 2, `"~" can only stand at the end of a word`},
		"a saved query without a name":    {"dog @", 5, `missing name of a saved query after "@"`},
		"a saved query with a dot":        {"-@a.b", 2, `"a.b" cannot be the name of a saved query`},
		"a saved query with a wildcard":   {"@ab*", 1, `"ab*" cannot be the name`},
		"a saved query with a quote":      {`@"a b"`, 1, "missing name of a saved query"},
		"an order in a group":             {"(a sort:date)", 4, `"sort:" cannot stand in parentheses`},
		"an order twice":                  {"sort:date a sort:name", 13, `a second "sort:"`},
		"the same order twice":            {"sort:relevance sort:relevance", 16, `a second "sort:"`},
		"an order left out":               {"a -sort:date", 3, "an order cannot be left out"},
		"an unknown order":                {"sort:newest", 6, `"newest" cannot follow "sort:" (one of relevance, date, oldest, name)`},
		"an order without its name":       {"sort: date", 6, `missing word after "sort:"`},
		"a colon before anything":         {":", 1, `no field ":"`},
		"an unknown field":                {"dog foo:bar", 5, `no field "foo:"; there are box, by, camera,`},
		"an unknown field left out":       {"-foo:bar", 2, `no field "foo:"`},
		"a field that is nearly another":  {"flder:x", 1, `no field "flder:" (did you mean "folder:"?)`},
		"a time of day":                   {"at 12:30", 4, `no field "12:"; there are`},
		"a field behind a beginning":      {"ca*:b", 3, `"*" can only stand at the end`},
		"a camera without a name":         {"camera: canon", 8, `missing name after "camera:"`},
		"a camera with two colons":        {"camera:a:b", 9, `unexpected ":" (text with this sign needs quotes)`},
		"a camera of punctuation":         {"camera:&", 8, `"&" has no letter or digit`},
		"a camera with a minus":           {"camera:-canon", 8, `unexpected "-canon" (one plain hyphen leaves something out: -word, -camera:canon)`},
		"a camera with a wildcard inside": {"camera:can*n", 11, `"*" can only stand at the end of a word`},
		"a camera of any name":            {"camera:*", 8, `"*" needs at least two letters`},
		"a fuzzy camera":                  {"camera:cannon~", 14, `unexpected "~"`},
		"a group behind a field":          {"camera:(canon OR nikon)", 8, "a group cannot follow a field"},
		"a parenthesis in a folder":       {"folder:a(1)", 9, "missing space before the parenthesis (text with parentheses needs quotes)"},
		"a thing photos do not have":      {"has:place", 5, `"place" cannot follow "has:" (one of camera, caption, date, exposure, gps, keywords, lens, people, title)`},
		"nothing to have":                 {"(has:)", 6, `missing word after "has:"`},
		"somebody else":                   {"by:you", 4, `"you" cannot follow "by:" (one of me, model)`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { refused(t, tt.text, tt.at, tt.msg) })
	}
}

func TestParseRefusesFiguresWithThePlace(t *testing.T) {
	tests := map[string]struct {
		text string
		at   int
		msg  string
	}{
		"no date":                     {"taken:", 7, `missing date after "taken:"`},
		"a range open at both ends":   {"taken:..", 7, `missing date after "taken:"`},
		"a word for a date":           {"taken:yesterday", 7, `"yesterday" is not a date`},
		"a short year":                {"taken:19", 7, `"19" is not a date`},
		"a month of one digit":        {"taken:2019-5", 7, `"2019-5" is not a date`},
		"month 13":                    {"taken:2019-13", 7, `"2019-13" is no day of the calendar`},
		"a leap day in another year":  {"taken:2019..2021-02-29", 13, `"2021-02-29" is no day of the calendar`},
		"a time in a date":            {"taken:2019-05-12-10", 7, `"2019-05-12-10" is not a date`},
		"the year 0":                  {"taken:0000", 7, `"0000" is not a date`},
		"a sign in a date":            {"taken:+019", 7, `"+019" is not a date`},
		"three dots":                  {"taken:2019...2020", 13, `".2020" is not a date`},
		"a range that runs backwards": {"taken:2020..2019-12", 7, `"2020..2019-12" ends before it begins`},
		"a date right before a group": {"taken:2019(a)", 11, "missing space before the parenthesis"},

		"nowhere":                       {"near:", 6, `"near:" takes a latitude, a longitude and a radius without spaces`},
		"a space behind the comma":      {"near:48.85, 2.35", 6, `"near:" takes a latitude`},
		"half a place":                  {"near:48.85", 6, `"near:" takes a latitude`},
		"decimal commas":                {"near:48,85,2,35", 6, `"near:" takes a latitude`},
		"a place called by its name":    {"near:paris,france", 6, `"paris" is not a latitude (degrees from -90 to 90, with a point)`},
		"too far north":                 {"near:90.1,0", 6, `"90.1" is not a latitude`},
		"too far west":                  {"near:0,-180.5", 8, `"-180.5" is not a longitude (degrees from -180 to 180, with a point)`},
		"a place that is no number":     {"near:NaN,0", 6, `"NaN" is not a latitude`},
		"an infinite place":             {"near:0,Inf", 8, `"Inf" is not a longitude`},
		"an exponent":                   {"near:1e1,0", 6, `"1e1" is not a latitude`},
		"a plus":                        {"near:0,+1", 8, `"+1" is not a longitude`},
		"two signs":                     {"near:--1,0", 6, `"--1" is not a latitude`},
		"a point without digits":        {"near:1.,0", 6, `"1." is not a latitude`},
		"digits of another script":      {"near:٤,0", 6, `"٤" is not a latitude`},
		"no radius":                     {"near:1,2,", 6, `"near:" takes a latitude`},
		"a radius without its unit":     {"near:1,2,10", 10, `"10" is not a radius (500m, 10km or 6mi;`},
		"a radius of nothing":           {"near:1,2,0km", 10, `"0km" is not a radius`},
		"a negative radius":             {"near:1,2,-1km", 10, `"-1km" is not a radius`},
		"a radius beyond the globe":     {"near:1,2,20041km", 10, `"20041km" is not a radius`},
		"a unit without a number":       {"near:1,2,km", 10, `"km" is not a radius`},
		"a box of three":                {"box:1,2,3", 5, `"box:" takes the degrees of its south, west, north and east`},
		"a box with its north south":    {"box:2,0,1,0", 5, "the south of the box, 2, is north of its north, 1"},
		"a box beyond the pole":         {"box:0,0,91,0", 9, `"91" is not a latitude`},
		"a box beyond the date line":    {"box:0,0,1,181", 11, `"181" is not a longitude`},
		"no ISO":                        {"iso:", 5, `missing number after "iso:" (iso:800, iso:>800, iso:100..400)`},
		"an ISO between nothing":        {"iso:..", 5, `missing number after "iso:"`},
		"a sign without a number":       {"iso:>=", 5, `missing number after "iso:"`},
		"an ISO in letters":             {"iso:high", 5, `"high" cannot follow "iso:" (iso:800,`},
		"a negative ISO":                {"iso:>-1", 6, `"-1" cannot follow "iso:"`},
		"an ISO in seconds":             {"iso:1/2s", 5, `"1/2s" cannot follow "iso:"`},
		"an ISO with a comma":           {"iso:1,600", 5, `"1,600" cannot follow "iso:"`},
		"no number at all":              {"iso:NaN", 5, `"NaN" cannot follow "iso:"`},
		"an infinite ISO":               {"iso:..inf", 7, `"inf" cannot follow "iso:"`},
		"a hexadecimal ISO":             {"iso:0x10", 5, `"0x10" cannot follow "iso:"`},
		"an ISO beyond measure":         {"iso:1000000001", 5, `"1000000001" cannot follow "iso:"`},
		"an ISO beyond floating point":  {"iso:" + strings.Repeat("9", 400), 5, `"999`},
		"an equals sign":                {"iso:=800", 5, `"=" cannot stand before a number (">", ">=", "<" or "<=")`},
		"signs in the wrong order":      {"iso:=>800", 5, `"=>" cannot stand before a number`},
		"a sign and a range":            {"iso:>100..200", 6, `"100..200" cannot follow "iso:"`},
		"ISOs that run backwards":       {"iso:400..100", 5, `"400..100" ends before it begins`},
		"three dots between ISOs":       {"iso:100...200", 10, `".200" cannot follow "iso:"`},
		"a quoted ISO":                  {`iso:"800"`, 5, "missing number"},
		"an aperture as on the lens":    {"f:f/2.8", 3, `"f/2.8" cannot follow "f:" (f:2.8, f:<=4, f:1.4..2.8)`},
		"an exposure over nothing":      {"exposure:1/0", 10, `"1/0" cannot follow "exposure:" (exposure:1/250,`},
		"an exposure of three":          {"exposure:1/2/3", 10, `"1/2/3" cannot follow "exposure:"`},
		"an exposure beyond measure":    {"exposure:9/0.000000001", 10, `"9/0.000000001" cannot follow "exposure:"`},
		"only a unit":                   {"exposure:s", 10, `"s" cannot follow "exposure:"`},
		"a focal length in centimetres": {"focal:5cm", 7, `"5cm" cannot follow "focal:" (focal:50mm,`},
		"a width in millimetres":        {"width:50mm", 7, `"50mm" cannot follow "width:" (width:4000,`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { refused(t, tt.text, tt.at, tt.msg) })
	}
}

func refused(t *testing.T, text string, at int, msg string) {
	t.Helper()
	got, err := Parse(text)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("Parse(%q) = %#v, %v; want an *Error", text, got, err)
	}
	if e.At != at || !strings.HasPrefix(e.Msg, msg) {
		t.Errorf("Parse(%q): %v; want %q at %d", text, err, msg, at)
	}
}
