package query

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

// shelf looks saved queries up by name.
func shelf(t *testing.T, saved map[string]string) func(string) (Query, error) {
	return func(name string) (Query, error) {
		text, ok := saved[name]
		if !ok {
			return Query{}, fs.ErrNotExist
		}
		q, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return q, nil
	}
}

func TestExpand(t *testing.T) {
	saved := map[string]string{
		"dogs":   "dog OR puppy sort:date",
		"snow":   `snow "on ice"`,
		"notcat": "-cat",
		"both":   "@dogs @snow sort:name",
		"same":   "@dogs",
		"newest": "sort:date",
	}
	tests := map[string]struct{ text, want string }{
		"nothing to expand":                      {"dog OR cat sort:date", "dog OR cat sort:date"},
		"every photo":                            {"sort:name", "sort:name"},
		"a saved query brings its order":         {"@dogs", "dog OR puppy sort:date"},
		"through another one":                    {"@same", "dog OR puppy sort:date"},
		"unless there is an order":               {"@same sort:name", "dog OR puppy sort:name"},
		"not beside something else":              {"@dogs red", "(dog OR puppy) red"},
		"nor left out":                           {"-@dogs", "-(dog OR puppy)"},
		"words join words":                       {"red @snow", `red snow "on ice"`},
		"either joins either":                    {"cat OR @dogs", "cat OR dog OR puppy"},
		"left out of what is left out":           {"dog -@notcat", "dog cat"},
		"one within another":                     {"(@both taken:2019) OR red", `(dog OR puppy) snow "on ice" taken:2019 OR red`},
		"the order of the outer one":             {"@both", `(dog OR puppy) snow "on ice" sort:name`},
		"the same twice":                         {"@snow OR -@snow", `snow "on ice" OR -(snow "on ice")`},
		"every photo, alone, brings its order":   {"@newest", "sort:date"},
		"every photo, alone, with another order": {"@newest sort:oldest", "sort:oldest"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			q, err := Parse(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Expand(q, shelf(t, saved))
			if err != nil {
				t.Fatal(err)
			}
			check(t, tt.want, got)
			if got.String() != tt.want {
				t.Errorf("%q became %q, want %q", tt.text, got, tt.want)
			}
		})
	}
}

func TestExpandRefuses(t *testing.T) {
	saved := map[string]string{
		"self":   "dog OR -(cat @self)",
		"a":      "@b",
		"b":      "x @c",
		"c":      "@a OR @b",
		"newest": "sort:date",
		"wide":   strings.Repeat("dog ", 100),
		"deep":   strings.Repeat("(dog -", 49) + "(a b)" + strings.Repeat(")", 49),
		"lost":   "@gone dog",
	}
	// Each doubles the one before; the last is 2^30 words.
	saved["double0"] = "dog cat"
	for i := range 30 {
		saved[fmt.Sprintf("double%d", i+1)] = fmt.Sprintf("@double%d OR -@double%d", i, i)
	}
	for i := range 60 {
		saved[fmt.Sprintf("chain%d", i)] = fmt.Sprintf("@chain%d", i+1)
	}
	tests := map[string]struct {
		text string
		want error
		msg  string
	}{
		"one that contains itself":        {"@self", ErrAlbum, "the saved query cannot be used: @self contains itself (@self -> @self)"},
		"through others":                  {"red -@a", ErrAlbum, "@a contains itself (@a -> @b -> @c -> @a)"},
		"every photo among words":         {"dog @newest", ErrAlbum, "@newest is every photo, which can only stand alone"},
		"every photo left out":            {"-@newest", ErrAlbum, "@newest is every photo"},
		"too many words":                  {"red @wide", ErrAlbum, "more than 100 words"},
		"words that double":               {"@double30", ErrAlbum, "more than 100 words"},
		"parentheses within parentheses":  {"-(a -(b OR @deep))", ErrAlbum, "nested more than 50 deep"},
		"more within each other":          {"@chain0", ErrAlbum, "@chain50 is within more than 50 others"},
		"one that is not there":           {"@lost", fs.ErrNotExist, "@lost -> @gone: "},
		"one that is not there, left out": {"dog -@gone", fs.ErrNotExist, "@gone: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			q, err := Parse(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Expand(q, shelf(t, saved))
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.msg) {
				t.Errorf("Expand(%q) = %v, %v; want %q", tt.text, got, err, tt.msg)
			}
		})
	}
}
