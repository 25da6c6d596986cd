package picture

import (
	"errors"
	"strings"
	"testing"
)

func TestAPanicCostsOnePicture(t *testing.T) {
	decode := func() (err error) {
		defer rescue(&err)
		panic("index out of range")
	}
	var e *Error
	if err := decode(); !errors.As(err, &e) || e.Code != "broken" || !strings.Contains(e.Text, "index out of range") {
		t.Errorf("got %v", e)
	}
	if e.Unwrap() == nil || !strings.Contains(e.Unwrap().Error(), "rescue_test.go") {
		t.Error("the cause does not say where it happened")
	}
}
