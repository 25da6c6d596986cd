package model

import (
	"strings"
	"testing"

	"shoebox/storage"
)

func TestPictureWordsAreRead(t *testing.T) {
	words, err := parseWords([]byte("dog\t0.25\tdog,dogs\nrun\t1.5e-05\trunning\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(words) != 2 || words[0].Stem != "dog" || words[0].Prior != 0.25 ||
		strings.Join(words[0].Forms, " ") != "dog dogs" || words[1].Prior != 1.5e-5 {
		t.Errorf("%+v", words)
	}
}

func TestDamagedPictureWordsAreRefusedWithTheirLine(t *testing.T) {
	for _, line := range []string{"", "dog", "dog\t0.1", "dog\tx\tdog", "dog\t1.5\tdog", "dog\t0\tdog", "dog\tNaN\tdog", "\t0.1\tdog", "dog\t0.1\t"} {
		_, err := parseWords([]byte("man\t0.5\tman\n" + line + "\n"))
		if err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q gives the error %v", line, err)
		}
	}
}

func TestClassesAreRead(t *testing.T) {
	classes, err := parseClasses([]byte("n01440764\ttench, Tinca tinca\nn03063599\tcoffee mug\n"))
	if err != nil || len(classes) != 2 || classes[0] != (storage.PictureClass{Synset: "n01440764", Name: "tench, Tinca tinca"}) {
		t.Errorf("%+v, %v", classes, err)
	}
	if _, err := parseClasses([]byte("n01440764\n")); err == nil {
		t.Error("a class without a name was taken")
	}
}
