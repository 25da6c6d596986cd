package query

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParse(t *testing.T) {
	year := func(y int) Date { return Date{Year: y} }
	tests := map[string]struct {
		text string
		want Node
	}{
		"one word":                        {"dogs", Word{"dogs"}},
		"words are joined by AND":         {"two dogs", And{[]Node{Word{"two"}, Word{"dogs"}}}},
		"space of any kind separates":     {"\t two\u00a0\n dogs ", And{[]Node{Word{"two"}, Word{"dogs"}}}},
		"AND itself is a word":            {"a AND b", And{[]Node{Word{"a"}, Word{"AND"}, Word{"b"}}}},
		"or in small letters is a word":   {"or", Word{"or"}},
		"a hyphen inside a word stays":    {"t-shirt", Word{"t-shirt"}},
		"a slash and a dot stay":          {"a/b.jpg", Word{"a/b.jpg"}},
		"words of any script":             {"café 犬", And{[]Node{Word{"café"}, Word{"犬"}}}},
		"a phrase":                        {`"in the  snow"`, Phrase{"in the  snow"}},
		"typographic quotes":              {`“in the snow” dog`, And{[]Node{Phrase{"in the snow"}, Word{"dog"}}}},
		"operators mean nothing quoted":   {`"(a) OR b*: ~"`, Phrase{"(a) OR b*: ~"}},
		"a word left out":                 {"-cat", Not{Word{"cat"}}},
		"a phrase left out":               {`dog -"in the snow"`, And{[]Node{Word{"dog"}, Not{Phrase{"in the snow"}}}}},
		"a field left out":                {"-camera:canon", Not{Camera{"canon"}}},
		"a year":                          {"taken:2019", Taken{year(2019), year(2019)}},
		"a month":                         {"taken:2019-05", Taken{Date{2019, 5, 0}, Date{2019, 5, 0}}},
		"a day":                           {"taken:2020-02-29", Taken{Date{2020, 2, 29}, Date{2020, 2, 29}}},
		"a range of mixed precision":      {"taken:2019..2020-02", Taken{year(2019), Date{2020, 2, 0}}},
		"a range within its first month":  {"taken:2019-05..2019-05-03", Taken{Date{2019, 5, 0}, Date{2019, 5, 3}}},
		"a range that ends in its year":   {"taken:2019-05..2019", Taken{Date{2019, 5, 0}, year(2019)}},
		"an open end":                     {"taken:2019..", Taken{From: year(2019)}},
		"an open beginning":               {"taken:..2019-05", Taken{To: Date{2019, 5, 0}}},
		"a camera":                        {"camera:canon", Camera{"canon"}},
		"a camera of several words":       {`camera:"EOS 40D"`, Camera{"EOS 40D"}},
		"a quoted camera that is a word":  {`camera:"canon"`, Camera{"canon"}},
		"a field's name in capitals":      {"Camera:canon", Camera{"canon"}},
		"a word that is a field's name":   {"camera", Word{"camera"}},
		"a replacement character typed":   {"a\ufffdb", Word{"a\ufffdb"}},
		"a range of a day to itself":      {"taken:2019-05-01..2019-05-01", Taken{Date{2019, 5, 1}, Date{2019, 5, 1}}},
		"an apostrophe belongs to a word": {"man's", Word{"man's"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Fatalf("Parse(%q) = %#v, want %#v", tt.text, got, tt.want)
			}
			again, err := Parse(got.String())
			if err != nil || !reflect.DeepEqual(again, got) {
				t.Fatalf("printed as %q it reads as %#v, %v", got, again, err)
			}
		})
	}
}

func TestParseRefusesWithThePlace(t *testing.T) {
	tests := map[string]struct {
		text string
		at   int
		msg  string // begins the message
	}{
		"nothing":                        {"", 1, "the query is empty"},
		"only space":                     {" \t ", 1, "the query is empty"},
		"no closing quote":               {`dogs running "in the snow`, 14, "missing closing quote"},
		"no closing quote in a field":    {`camera:"canon`, 8, "missing closing quote"},
		"an empty phrase":                {`dog ""`, 5, "the phrase has no letter or digit"},
		"a quote inside a word":          {`dog"s`, 4, "missing space before the quote"},
		"no space after a phrase":        {`"dog"s`, 6, "missing space after the closing quote"},
		"a lone hyphen":                  {"dog - cat", 5, `"-" with nothing after it`},
		"a hyphen at the end":            {"dog -", 5, `"-" with nothing after it`},
		"two hyphens":                    {"dog --cat", 6, `unexpected "-cat"`},
		"a dash for a hyphen":            {"dog –cat", 5, `unexpected "–cat"`},
		"an exclamation mark for not":    {"dog !cat", 5, `unexpected "!cat"`},
		"NOT":                            {"dog NOT cat", 5, `unexpected "NOT"`},
		"OR":                             {"dog OR cat", 5, `"OR" is not understood by this version`},
		"parentheses":                    {"(dog)", 1, `'(' is not understood by this version`},
		"a parenthesis behind a word":    {"dog) cat", 4, `')' is not understood by this version`},
		"a wildcard":                     {"snow*", 5, `'*' is not understood by this version`},
		"fuzziness":                      {"a brige~", 8, `'~' is not understood by this version`},
		"punctuation alone":              {"dog & cat", 5, `"&" has no letter or digit`},
		"the place counts characters":    {"été & cat", 5, `"&" has no letter or digit`},
		"lens":                           {"lens:50mm", 1, `"lens:" is not understood by this version`},
		"folder left out":                {"dog -folder:holiday", 6, `"folder:" is not understood by this version`},
		"name":                           {"name:IMG_2*", 1, `"name:" is not understood`},
		"near":                           {"near:48.85,2.35,10km", 1, `"near:" is not understood`},
		"iso":                            {"iso:>800", 1, `"iso:" is not understood`},
		"has":                            {"has:gps", 1, `"has:" is not understood`},
		"by":                             {"by:me", 1, `"by:" is not understood`},
		"sort":                           {"sort:date", 1, `"sort:" is not understood`},
		"an unknown field":               {"dog foo:bar", 5, `unknown field "foo:"`},
		"a time of day":                  {"at 12:30", 4, `unknown field "12:"`},
		"a colon before anything":        {":", 1, `unknown field ":"`},
		"a camera without a name":        {"camera: canon", 8, `missing name after "camera:"`},
		"a camera with two colons":       {"camera:a:b", 9, `unexpected ':'`},
		"a camera of punctuation":        {"camera:&", 8, `"&" has no letter or digit`},
		"a camera with a wildcard":       {"camera:can*", 11, `'*' is not understood`},
		"no date":                        {"taken:", 7, `missing date after "taken:"`},
		"a range open at both ends":      {"taken:..", 7, `missing date after "taken:"`},
		"a word for a date":              {"taken:yesterday", 7, `"yesterday" is not a date`},
		"a short year":                   {"taken:19", 7, `"19" is not a date`},
		"a month of one digit":           {"taken:2019-5", 7, `"2019-5" is not a date`},
		"month 13":                       {"taken:2019-13", 7, `"2019-13" is no day of the calendar`},
		"a leap day in another year":     {"taken:2019..2021-02-29", 13, `"2021-02-29" is no day of the calendar`},
		"a time in a date":               {"taken:2019-05-12-10", 7, `"2019-05-12-10" is not a date`},
		"the year 0":                     {"taken:0000", 7, `"0000" is not a date`},
		"a sign in a date":               {"taken:+019", 7, `"+019" is not a date`},
		"three dots":                     {"taken:2019...2020", 13, `".2020" is not a date`},
		"a range that runs backwards":    {"taken:2020..2019-12", 7, `"2020..2019-12" ends before it begins`},
		"bytes that are not UTF-8":       {"dog \xff", 5, "the query is not valid UTF-8"},
		"such bytes behind typed U+FFFD": {"\ufffd\ufffd \xff", 4, "the query is not valid UTF-8"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(tt.text)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("Parse(%q) = %#v, %v; want an *Error", tt.text, got, err)
			}
			if e.At != tt.at || !strings.HasPrefix(e.Msg, tt.msg) {
				t.Errorf("Parse(%q): %v; want %q at %d", tt.text, err, tt.msg, tt.at)
			}
		})
	}
}

func TestErrorMarksThePlace(t *testing.T) {
	_, err := Parse("été\n& cat")
	var e *Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	if got, want := e.Error(), `"&" has no letter or digit to search for at 5`; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if got, want := e.Mark(), "été & cat\n    ^"; got != want {
		t.Errorf("Mark() = %q, want %q", got, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"two dogs in the snow", `"in the snow" -cat`, "taken:2019-05..2020-02", "camera:canon", `camera:"EOS 40D"`,
		"“x” -taken:..2019", "a:b", "--", `"`, "\xff", "\ufffd\xc3", "OR NOT !a",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := Parse(text)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%T is not an *Error: %v", err, err)
			}
			if e.At < 1 || e.At > utf8.RuneCountInString(text)+1 {
				t.Fatalf("place %d is outside of %q", e.At, text)
			}
			e.Mark()
			return
		}
		again, err := Parse(n.String())
		if err != nil || !reflect.DeepEqual(again, n) {
			t.Fatalf("%q reads as %#v, printed as %q it reads as %#v, %v", text, n, n, again, err)
		}
	})
}
