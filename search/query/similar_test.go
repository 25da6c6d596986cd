package query

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestSimilar(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"each word once":               {"A dog and a Dog.", "a OR dog OR and"},
		"one word":                     {"  Dogs!", "dogs"},
		"punctuation is ignored":       {`(two) "dogs", 3 -- run*ning~ @home; iso:800 #x`, "two OR dogs OR 3 OR run OR ning OR home OR iso OR 800 OR x"},
		"hyphens part words":           {"black-and-white T-shirt", "black OR and OR white OR t OR shirt"},
		"apostrophes do not":           {"the man's 'red' dogs' rock’n’roll", "the OR man's OR red OR dogs OR rock’n’roll"},
		"words of queries are words":   {"this OR that NOT those", "this OR or OR that OR not OR those"},
		"words of any script":          {"été 犬 犬", "été OR 犬"},
		"accents written as two runes": {"cafe\u0301 au lait", "cafe\u0301 OR au OR lait"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Similar(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != tt.want {
				t.Errorf("Similar(%q) = %q, want %q", tt.text, got, tt.want)
			}
			check(t, tt.want, got)
		})
	}
}

func TestSimilarRefuses(t *testing.T) {
	var many strings.Builder
	for i := range 101 {
		fmt.Fprintf(&many, "w%03d ", i)
	}
	tests := map[string]struct {
		text string
		at   int
		msg  string
	}{
		"no words":                 {" -- ", 1, "the text has no words to search for"},
		"nothing":                  {"", 1, "the text has no words to search for"},
		"too many words":           {many.String(), 501, "the text has more than 100 different words"},
		"bytes that are not UTF-8": {"dog\xff", 4, "the query is not valid UTF-8"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Similar(tt.text)
			var e *Error
			if !errors.As(err, &e) || e.At != tt.at || e.Msg != tt.msg {
				t.Errorf("%v, want %q at %d", err, tt.msg, tt.at)
			}
		})
	}
}
