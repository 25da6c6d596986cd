// Package xmp reads what people wrote about a picture from an XMP packet: one
// embedded in the picture's file, or a sidecar file beside it.
//
// It knows the properties by which digiKam, Lightroom, darktable, Windows and
// Picasa's heirs keep titles, keywords, stars and names, and nothing else. It
// never fetches what a packet refers to, and what is malformed ends the
// reading: what came before counts.
package xmp

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// MaxSize is how many bytes of a packet are read. Real ones have some tens of
// thousands; the edit history of some programs makes them longer.
const MaxSize = 4 << 20

// Properties are what a packet says. The zero value of each means that it does
// not.
type Properties struct {
	Title       string
	Description string
	Keywords    []string // each once, in the order of the packet
	People      []string
	// Rating is 1 to 5 stars.
	Rating int
	// Rated says that there is a rating, also when it is none of these:
	// 0 is "no stars", -1 "rejected".
	Rated bool
}

// Bounds on what a packet can put into storage.
const (
	maxText  = 10_000 // bytes of a title or description
	maxName  = 500    // of a keyword or name
	maxNames = 1000
	maxDepth = 64
)

// Parse reads a packet. The error says why it was not read to its end.
func Parse(packet []byte) (Properties, error) {
	r := reader{}
	packet = bytes.TrimRight(packet[:min(len(packet), MaxSize)], "\x00")
	err := r.read(xml.NewDecoder(bytes.NewReader(packet)))
	return r.found, err
}

// The namespaces of the properties.
const (
	nsPacket    = "adobe:ns:meta/"
	nsRDF       = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
	nsXML       = "http://www.w3.org/XML/1998/namespace"
	nsDC        = "http://purl.org/dc/elements/1.1/"
	nsBasic     = "http://ns.adobe.com/xap/1.0/"
	nsLightroom = "http://ns.adobe.com/lightroom/1.0/"
	nsDigiKam   = "http://www.digikam.org/ns/1.0/"
	nsRegions   = "http://www.metadataworkinggroup.com/schemas/regions/"
	nsMicrosoft = "http://ns.microsoft.com/photo/1.2/t/Region#"
	nsIPTC      = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
)

// reader walks through a packet once and keeps what it knows.
type reader struct {
	found  Properties
	path   []element // those that are open
	region region    // the one that is open
	begun  bool      // there is an element
}

type element struct {
	name     xml.Name
	text     []byte
	language string
}

// region is a part of a picture that somebody marked, and what for.
type region struct{ name, kind string }

func (r *reader) read(decoder *xml.Decoder) error {
	for {
		token, err := decoder.Token()
		switch {
		case errors.Is(err, io.EOF) && !r.begun:
			return errors.New("there is no XMP in it")
		case errors.Is(err, io.EOF) && len(r.path) == 0:
			return nil
		case err != nil:
			return err
		case len(r.path) > maxDepth:
			return errors.New("the packet is nested too deeply")
		}
		switch token := token.(type) {
		case xml.StartElement:
			r.begun = true
			r.start(token)
		case xml.CharData:
			if n := len(r.path); n > 0 {
				open := &r.path[n-1]
				open.text = append(open.text, token[:min(len(token), maxText-len(open.text))]...)
			}
		case xml.EndElement:
			r.end()
		}
	}
}

// start opens an element. Short properties may be written as attributes.
func (r *reader) start(token xml.StartElement) {
	open := element{name: token.Name}
	r.path = append(r.path, open)
	for _, a := range token.Attr {
		if a.Name.Space == nsXML && a.Name.Local == "lang" {
			r.path[len(r.path)-1].language = a.Value
			continue
		}
		r.property(append(r.owners(), a.Name), a.Value, "")
	}
}

func (r *reader) end() {
	closed := r.path[len(r.path)-1]
	owners := r.owners()
	if len(owners) > 0 {
		r.property(owners, string(closed.text), closed.language)
	}
	r.path = r.path[:len(r.path)-1]
	isItem := closed.name == xml.Name{Space: nsRDF, Local: "li"}
	if isItem && slices.Contains(owners[max(len(owners)-1, 0):], xml.Name{Space: nsRegions, Local: "RegionList"}) {
		if r.region.kind == "" || r.region.kind == "Face" {
			add(&r.found.People, r.region.name)
		}
		r.region = region{}
	}
}

// owners are the properties that the innermost element belongs to, from the
// outermost on: what RDF and its packaging put between them is left out.
func (r *reader) owners() []xml.Name {
	var owners []xml.Name
	for _, e := range r.path {
		if e.name.Space != nsRDF && e.name.Space != nsPacket {
			owners = append(owners, e.name)
		}
	}
	return owners
}

// property notes a value. Those inside of other properties are not the
// picture's: a history or an ingredient has titles, too.
func (r *reader) property(owners []xml.Name, text, language string) {
	text = strings.TrimSpace(strings.ToValidUTF8(text[:min(len(text), maxText)], ""))
	name := owners[len(owners)-1]
	if text == "" || len(owners) > 1 && owners[0].Space != nsRegions && owners[0].Local != "RegionInfo" {
		return
	}
	f := &r.found
	switch name {
	case xml.Name{Space: nsDC, Local: "title"}:
		translate(&f.Title, text, language)
	case xml.Name{Space: nsDC, Local: "description"}:
		translate(&f.Description, text, language)
	case xml.Name{Space: nsDC, Local: "subject"}:
		add(&f.Keywords, text)
	case xml.Name{Space: nsLightroom, Local: "hierarchicalSubject"}:
		add(&f.Keywords, strings.Split(text, "|")...)
	case xml.Name{Space: nsDigiKam, Local: "TagsList"}:
		add(&f.Keywords, strings.Split(text, "/")...)
	case xml.Name{Space: nsBasic, Local: "Rating"}:
		f.rate(text)
	case xml.Name{Space: nsIPTC, Local: "PersonInImage"}, xml.Name{Space: nsMicrosoft, Local: "PersonDisplayName"}:
		add(&f.People, text)
	case xml.Name{Space: nsRegions, Local: "Name"}:
		r.region.name = text
	case xml.Name{Space: nsRegions, Local: "Type"}:
		r.region.kind = text
	}
}

// translate keeps the text in the default language, else the first.
func translate(kept *string, text, language string) {
	if *kept == "" || language == "x-default" {
		*kept = text
	}
}

// add appends names that are not there yet.
func add(names *[]string, more ...string) {
	for _, name := range more {
		name = strings.Join(strings.Fields(name), " ")
		if name == "" || len(name) > maxName || len(*names) == maxNames ||
			slices.ContainsFunc(*names, func(known string) bool { return strings.EqualFold(known, name) }) {
			continue
		}
		*names = append(*names, name)
	}
}

// rate reads stars. Some programs write "3.0".
func (p *Properties) rate(text string) {
	stars, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(stars) {
		return
	}
	p.Rated = true
	p.Rating = 0
	if stars >= 1 {
		p.Rating = int(min(stars, 5))
	}
}

// Over returns these properties, and where they say nothing, the others': a
// sidecar counts more than what is in the file beside it.
func (p Properties) Over(others Properties) Properties {
	p.Title = cmp.Or(p.Title, others.Title)
	p.Description = cmp.Or(p.Description, others.Description)
	if p.Keywords == nil {
		p.Keywords = others.Keywords
	}
	if p.People == nil {
		p.People = others.People
	}
	if !p.Rated {
		p.Rating, p.Rated = others.Rating, others.Rated
	}
	return p
}
