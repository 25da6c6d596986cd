package query

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

// check parses text, compares, and does the same with what the tree prints.
func check(t *testing.T, text string, want Query) {
	t.Helper()
	got, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("Parse(%q) = %#v, want %#v", text, got, want)
	}
	again, err := Parse(got.String())
	if err != nil || !reflect.DeepEqual(again, got) {
		t.Fatalf("printed as %q it reads as %#v, %v", got, again, err)
	}
}

func TestParseWords(t *testing.T) {
	tests := map[string]struct {
		text string
		want Node
	}{
		"one word":                          {"dogs", Word{"dogs"}},
		"words are joined by AND":           {"two dogs", And{[]Node{Word{"two"}, Word{"dogs"}}}},
		"space of any kind separates":       {"\t two\u00a0\n dogs ", And{[]Node{Word{"two"}, Word{"dogs"}}}},
		"AND itself is a word":              {"a AND b", And{[]Node{Word{"a"}, Word{"AND"}, Word{"b"}}}},
		"or in small letters is a word":     {"a or b", And{[]Node{Word{"a"}, Word{"or"}, Word{"b"}}}},
		"a word may begin with OR":          {"ORANGE a", And{[]Node{Word{"ORANGE"}, Word{"a"}}}},
		"a hyphen inside a word stays":      {"t-shirt", Word{"t-shirt"}},
		"a slash and a dot stay":            {"a/b.jpg", Word{"a/b.jpg"}},
		"an at sign inside a word stays":    {"me@home", Word{"me@home"}},
		"an apostrophe belongs to a word":   {"man's", Word{"man's"}},
		"words of any script":               {"café 犬", And{[]Node{Word{"café"}, Word{"犬"}}}},
		"a replacement character typed":     {"a\ufffdb", Word{"a\ufffdb"}},
		"a word that is a field's name":     {"camera", Word{"camera"}},
		"a phrase":                          {`"in the  snow"`, Phrase{"in the  snow"}},
		"typographic quotes":                {`“in the snow” dog`, And{[]Node{Phrase{"in the snow"}, Word{"dog"}}}},
		"operators mean nothing quoted":     {`"(a) OR b*: ~"`, Phrase{"(a) OR b*: ~"}},
		"the beginning of a word":           {"snow*", Prefix{"snow"}},
		"two letters are a beginning":       {"t-s*", Prefix{"t-s"}},
		"a beginning in capitals":           {"OR*", Prefix{"OR"}},
		"a word spelled wrongly":            {"brige~", Fuzzy{"brige"}},
		"a word left out":                   {"-cat", Not{Word{"cat"}}},
		"a phrase left out":                 {`dog -"in the snow"`, And{[]Node{Word{"dog"}, Not{Phrase{"in the snow"}}}}},
		"a beginning left out":              {"-snow*", Not{Prefix{"snow"}}},
		"a saved query":                     {"@my-trip_2", Album{"my-trip_2"}},
		"a saved query of letters anywhere": {"-@été", Not{Album{"été"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { check(t, tt.text, Query{Root: tt.want}) })
	}
}

func TestParseGroups(t *testing.T) {
	a, b, c, d := Word{"a"}, Word{"b"}, Word{"c"}, Word{"d"}
	tests := map[string]struct {
		text  string
		want  Node
		print string // if not as text
	}{
		"either":                             {"a OR b", Or{[]Node{a, b}}, ""},
		"AND binds tighter than OR":          {"a b OR c d", Or{[]Node{And{[]Node{a, b}}, And{[]Node{c, d}}}}, ""},
		"a group binds tightest":             {"a (b OR c) d", And{[]Node{a, Or{[]Node{b, c}}, d}}, ""},
		"minus binds tighter than AND":       {"-a b", And{[]Node{Not{a}, b}}, ""},
		"minus binds tighter than OR":        {"-a OR b", Or{[]Node{Not{a}, b}}, ""},
		"a group left out":                   {"a -(b OR c)", And{[]Node{a, Not{Or{[]Node{b, c}}}}}, ""},
		"all of a group left out":            {"-(a b)", Not{And{[]Node{a, b}}}, ""},
		"a group of one is what it holds":    {"((a))", a, "a"},
		"space inside of parentheses":        {"( a OR ( b c ) )", Or{[]Node{a, And{[]Node{b, c}}}}, "a OR b c"},
		"either of more than two is one OR":  {"a OR (b OR c) OR d", Or{[]Node{a, b, c, d}}, "a OR b OR c OR d"},
		"a group of words joins its words":   {"a (b (c d))", And{[]Node{a, b, c, d}}, "a b c d"},
		"left out twice is looked for":       {"-(-a)", a, "a"},
		"left out twice joins its words":     {"a -(-(b c))", And{[]Node{a, b, c}}, "a b c"},
		"a group ends a field":               {"(taken:2019 OR iso:800)", Or{[]Node{Taken{Date{2019, 0, 0}, Date{2019, 0, 0}}, Range{ISO, 800, 800, false, false}}}, "taken:2019 OR iso:800"},
		"a group ends everything else":       {`(a bb*) (a2~) (@c) ("d") (camera:dd*)`, And{[]Node{a, Prefix{"bb"}, Fuzzy{"a2"}, Album{"c"}, Phrase{"d"}, Named{Camera, "dd", true}}}, `a bb* a2~ @c "d" camera:dd*`},
		"OR across lines":                    {"a\nOR\nb", Or{[]Node{a, b}}, "a OR b"},
		"a group beside OR":                  {"(a OR b) OR (c)", Or{[]Node{a, b, c}}, "a OR b OR c"},
		"either within all within left out":  {"-(a (b OR -(c d)))", Not{And{[]Node{a, Or{[]Node{b, Not{And{[]Node{c, d}}}}}}}}, ""},
		"an either of left out is not one":   {"-(a OR b) OR c", Or{[]Node{Not{Or{[]Node{a, b}}}, c}}, ""},
		"an all of left out is not one":      {"-(a b) c", And{[]Node{Not{And{[]Node{a, b}}}, c}}, ""},
		"nested as deep as is allowed":       {strings.Repeat("(", 50) + "a" + strings.Repeat(")", 50), a, "a"},
		"as many words as are allowed":       {strings.Repeat("a ", 99) + "(a) sort:relevance", And{words(100)}, strings.Repeat("a ", 99) + "a"},
		"capitals inside of OR are no OR":    {"aOR ORb", And{[]Node{Word{"aOR"}, Word{"ORb"}}}, ""},
		"a beginning that is OR beside a OR": {"OR* OR a", Or{[]Node{Prefix{"OR"}, a}}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			check(t, tt.text, Query{Root: tt.want})
			if tt.print == "" {
				tt.print = tt.text
			}
			if got := (Query{Root: tt.want}).String(); got != tt.print {
				t.Errorf("printed as %q, want %q", got, tt.print)
			}
		})
	}
}

func words(count int) []Node {
	nodes := make([]Node, count)
	for i := range nodes {
		nodes[i] = Word{"a"}
	}
	return nodes
}

func TestParseFields(t *testing.T) {
	year := func(y int) Date { return Date{Year: y} }
	below, above := math.Inf(-1), math.Inf(1)
	about := func(n Number, x float64) Range { return Range{n, x * 0.98, x * 1.02, false, false} }
	tests := map[string]struct {
		text  string
		want  Node
		print string // if not as text
	}{
		"a camera":                       {"camera:canon", Named{Camera, "canon", false}, ""},
		"a camera of several words":      {`camera:"EOS 40D"`, Named{Camera, "EOS 40D", false}, ""},
		"a quoted camera that is a word": {`camera:"canon"`, Named{Camera, "canon", false}, "camera:canon"},
		"a camera left out":              {"-camera:canon", Not{Named{Camera, "canon", false}}, ""},
		"a field's name in capitals":     {"Camera:canon", Named{Camera, "canon", false}, "camera:canon"},
		"a lens":                         {"lens:EF24-70mm", Named{Lens, "EF24-70mm", false}, ""},
		"a folder below others":          {"folder:/2019/My_Trip.d", Named{Folder, "/2019/My_Trip.d", false}, ""},
		"a folder called OR":             {"folder:OR", Named{Folder, "OR", false}, ""},
		"a folder called NOT":            {"folder:NOT", Named{Folder, "NOT", false}, ""},
		"a folder with signs of queries": {`folder:"a: (b) *"`, Named{Folder, "a: (b) *", false}, ""},
		"the beginning of a file's name": {"name:IMG_2*", Named{Name, "IMG_2", true}, ""},
		"a field's word with an at sign": {"name:@home", Named{Name, "@home", false}, ""},

		"a year":                         {"taken:2019", Taken{year(2019), year(2019)}, ""},
		"a month":                        {"taken:2019-05", Taken{Date{2019, 5, 0}, Date{2019, 5, 0}}, ""},
		"a day":                          {"taken:2020-02-29", Taken{Date{2020, 2, 29}, Date{2020, 2, 29}}, ""},
		"a range of mixed precision":     {"taken:2019..2020-02", Taken{year(2019), Date{2020, 2, 0}}, ""},
		"a range within its first month": {"taken:2019-05..2019-05-03", Taken{Date{2019, 5, 0}, Date{2019, 5, 3}}, ""},
		"a range that ends in its year":  {"taken:2019-05..2019", Taken{Date{2019, 5, 0}, year(2019)}, ""},
		"an open end":                    {"taken:2019..", Taken{From: year(2019)}, ""},
		"an open beginning":              {"taken:..2019-05", Taken{To: Date{2019, 5, 0}}, ""},
		"a range of a day to itself":     {"taken:2019-05-01..2019-05-01", Taken{Date{2019, 5, 1}, Date{2019, 5, 1}}, "taken:2019-05-01"},

		"a circle":                      {"near:48.85,2.35,10km", Near{48.85, 2.35, 10000}, ""},
		"a circle of 10 km unless told": {"near:48.85,2.35", Near{48.85, 2.35, 10000}, "near:48.85,2.35,10km"},
		"a circle in metres":            {"near:-33.9,-151,500m", Near{-33.9, -151, 500}, ""},
		"a circle in miles":             {"near:0,0,2mi", Near{0, 0, 2 * 1609.344}, "near:0,0,3.218688km"},
		"the poles and the date line":   {"near:-90,180,1.5km", Near{-90, 180, 1500}, ""},
		"a box":                         {"box:48.8,2.2,48.9,2.4", Box{48.8, 2.2, 48.9, 2.4}, ""},
		"a box across the date line":    {"box:-20,170,-10,-170", Box{-20, 170, -10, -170}, ""},

		"an ISO":                           {"iso:800", Range{ISO, 800, 800, false, false}, ""},
		"more than":                        {"iso:>800", Range{ISO, 800, above, true, false}, ""},
		"at least":                         {"iso:>=800", Range{ISO, 800, above, false, false}, "iso:800.."},
		"less than":                        {"iso:<100", Range{ISO, below, 100, false, true}, ""},
		"at most":                          {"iso:<=100", Range{ISO, below, 100, false, false}, "iso:..100"},
		"from to":                          {"iso:100..400", Range{ISO, 100, 400, false, false}, ""},
		"up to":                            {"iso:..200", Range{ISO, below, 200, false, false}, ""},
		"from":                             {"iso:200..", Range{ISO, 200, above, false, false}, ""},
		"a fraction":                       {"iso:>0.5", Range{ISO, 0.5, above, true, false}, ""},
		"an f-number is rounded":           {"f:2.8", about(FNumber, 2.8), ""},
		"a range of f-numbers is not":      {"f:1.4..2.8", Range{FNumber, 1.4, 2.8, false, false}, ""},
		"an f-number to itself is not":     {"f:2.8..2.8", Range{FNumber, 2.8, 2.8, false, false}, ""},
		"an exposure":                      {"exposure:1/250", about(Exposure, 1.0/250), ""},
		"an exposure with its unit":        {"exposure:1/250s", about(Exposure, 1.0/250), "exposure:1/250"},
		"an exposure as a decimal":         {"exposure:0.004", about(Exposure, 0.004), "exposure:1/250"},
		"an exposure of tenths":            {"exposure:0.3", about(Exposure, 0.3), ""},
		"exposures between":                {"exposure:1/64..2s", Range{Exposure, 1.0 / 64, 2, false, false}, "exposure:0.015625..2"},
		"a long exposure":                  {"exposure:>=1.5s", Range{Exposure, 1.5, above, false, false}, "exposure:1.5.."},
		"a focal length":                   {"focal:50mm", about(Focal, 50), "focal:50"},
		"focal lengths between":            {"focal:24mm..70mm", Range{Focal, 24, 70, false, false}, "focal:24..70"},
		"a width":                          {"width:>=4000px", Range{Width, 4000, above, false, false}, "width:4000.."},
		"a height":                         {"height:1080", Range{Height, 1080, 1080, false, false}, ""},
		"a range that is one rounded":      {"f:1.96..2.04", about(FNumber, 2), "f:2"},
		"the greatest number is a bound":   {"f:1000000000", Range{FNumber, 980000000, 1e9, false, false}, "f:980000000..1000000000"},
		"a number with too many decimals":  {"f:2.123456789", about(FNumber, 2.123456789), ""},
		"zero":                             {"exposure:0", Range{Exposure, 0, 0, false, false}, ""},
		"photos with a place":              {"has:gps", Has{"gps"}, ""},
		"photos without a lens":            {"-has:LENS", Not{Has{"lens"}}, "-has:lens"},
		"captions that a person wrote":     {"by:me", By{true}, ""},
		"captions that the model wrote":    {"BY:Model", By{false}, "by:model"},
		"a photo with everything it takes": {"has:camera has:caption has:date has:exposure has:keywords has:title", And{[]Node{Has{"camera"}, Has{"caption"}, Has{"date"}, Has{"exposure"}, Has{"keywords"}, Has{"title"}}}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			check(t, tt.text, Query{Root: tt.want})
			if tt.print == "" {
				tt.print = tt.text
			}
			if got := tt.want.String(); got != tt.print {
				t.Errorf("printed as %q, want %q", got, tt.print)
			}
		})
	}
}

func TestParseSort(t *testing.T) {
	a, b := Word{"a"}, Word{"b"}
	tests := map[string]struct {
		text  string
		want  Query
		print string
	}{
		"newest first":                 {"a sort:date", Query{a, ByDate}, "a sort:date"},
		"oldest first":                 {"a sort:oldest", Query{a, ByOldest}, "a sort:oldest"},
		"by name":                      {"a Sort:NAME", Query{a, ByName}, "a sort:name"},
		"by relevance":                 {"a sort:relevance", Query{a, ByRelevance}, "a"},
		"before what is looked for":    {"sort:date a b", Query{And{[]Node{a, b}}, ByDate}, "a b sort:date"},
		"beside an OR":                 {"a sort:date OR b", Query{Or{[]Node{a, b}}, ByDate}, "a OR b sort:date"},
		"behind an OR":                 {"a OR b sort:name", Query{Or{[]Node{a, b}}, ByName}, "a OR b sort:name"},
		"alone it is every photo":      {"sort:date", Query{nil, ByDate}, "sort:date"},
		"every photo by relevance":     {" sort:relevance ", Query{}, "sort:relevance"},
		"beside a hundred other terms": {strings.Repeat("a ", 100) + "sort:date", Query{And{words(100)}, ByDate}, strings.Repeat("a ", 100) + "sort:date"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			check(t, tt.text, tt.want)
			if got := tt.want.String(); got != tt.print {
				t.Errorf("printed as %q, want %q", got, tt.print)
			}
		})
	}
}

func TestErrorMarksThePlace(t *testing.T) {
	tests := map[string]struct{ text, err, mark string }{
		"behind letters of two bytes and a line break": {"été\n& cat", `"&" has no letter or digit to search for at 5`, "été & cat\n    ^"},
		"a quote that is not closed":                   {`dogs running "in the snow`, "missing closing quote at 14", `dogs running "in the snow` + "\n             ^"},
		"a parenthesis that is not closed":             {"a (b OR (c d) e", "missing closing parenthesis at 3", "a (b OR (c d) e\n  ^"},
		"an unknown field":                             {"dog cammera:x", `no field "cammera:" (did you mean "camera:"?); there are box, by, camera, exposure, f, focal, folder, has, height, iso, lens, name, near, sort, taken, width; text with a colon needs quotes at 5`, "dog cammera:x\n    ^"},
		"bytes that are not UTF-8":                     {"\ufffd\xff", "the query is not valid UTF-8 at 2", "\ufffd\ufffd\n ^"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(tt.text)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%v, want an *Error", err)
			}
			if e.Error() != tt.err {
				t.Errorf("Error() = %q, want %q", e.Error(), tt.err)
			}
			if e.Mark() != tt.mark {
				t.Errorf("Mark() = %q, want %q", e.Mark(), tt.mark)
			}
		})
	}
}
