package xmp

import (
	"reflect"
	"strings"
	"testing"
)

// packet is an XMP packet with properties in a description.
func packet(attributes, elements string) []byte {
	return []byte(`<?xpacket begin="` + "\uFEFF" + `" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 6.0.0">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:lr="http://ns.adobe.com/lightroom/1.0/" xmlns:digiKam="http://www.digikam.org/ns/1.0/"
    xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
    xmlns:MP="http://ns.microsoft.com/photo/1.2/" xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
    xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" ` + attributes + `>` + elements + `</rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>` + strings.Repeat(" ", 100))
}

func TestWhatProgramsWriteIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		attributes, elements string
		want                 Properties
	}{
		"nothing": {},
		"a title in the default language": {
			elements: `<dc:title><rdf:Alt><rdf:li xml:lang="de-DE">Hund</rdf:li><rdf:li xml:lang="x-default">Dog</rdf:li></rdf:Alt></dc:title>`,
			want:     Properties{Title: "Dog"},
		},
		"a description of two lines": {
			elements: "<dc:description><rdf:Alt><rdf:li xml:lang='x-default'>One\nTwo</rdf:li></rdf:Alt></dc:description>",
			want:     Properties{Description: "One\nTwo"},
		},
		"keywords, each once": {
			elements: `<dc:subject><rdf:Bag><rdf:li>sea</rdf:li><rdf:li> Anna  Lena </rdf:li><rdf:li>Sea</rdf:li></rdf:Bag></dc:subject>`,
			want:     Properties{Keywords: []string{"sea", "Anna Lena"}},
		},
		"Lightroom's and digiKam's hierarchies": {
			elements: `<lr:hierarchicalSubject><rdf:Bag><rdf:li>Places|France|Paris</rdf:li></rdf:Bag></lr:hierarchicalSubject>
				<digiKam:TagsList><rdf:Seq><rdf:li>Places/France/Lyon</rdf:li></rdf:Seq></digiKam:TagsList>`,
			want: Properties{Keywords: []string{"Places", "France", "Paris", "Lyon"}},
		},
		"stars as an attribute":     {attributes: `xmp:Rating="4"`, want: Properties{Rating: 4, Rated: true}},
		"stars as an element":       {elements: `<xmp:Rating>3.0</xmp:Rating>`, want: Properties{Rating: 3, Rated: true}},
		"rejected":                  {attributes: `xmp:Rating="-1"`, want: Properties{Rated: true}},
		"more stars than there are": {attributes: `xmp:Rating="99"`, want: Properties{Rating: 5, Rated: true}},
		"stars that are no number":  {attributes: `xmp:Rating="many"`},
		"regions of Lightroom, the name an attribute": {
			elements: `<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag>
				<rdf:li><rdf:Description mwg-rs:Name="Anna" mwg-rs:Type="Face"><mwg-rs:Area/></rdf:Description></rdf:li>
				<rdf:li><rdf:Description mwg-rs:Type="Focus" mwg-rs:Name="no person"/></rdf:li>
				</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>`,
			want: Properties{People: []string{"Anna"}},
		},
		"regions of digiKam, the name an element": {
			elements: `<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag>
				<rdf:li rdf:parseType="Resource"><mwg-rs:Name>Ben</mwg-rs:Name><mwg-rs:Type>Face</mwg-rs:Type></rdf:li>
				<rdf:li rdf:parseType="Resource"><mwg-rs:Type>Pet</mwg-rs:Type><mwg-rs:Name>Rex</mwg-rs:Name></rdf:li>
				</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>`,
			want: Properties{People: []string{"Ben"}},
		},
		"regions of Windows": {
			elements: `<MP:RegionInfo><rdf:Description><MPRI:Regions><rdf:Bag><rdf:li MPReg:PersonDisplayName="Cleo"/></rdf:Bag></MPRI:Regions></rdf:Description></MP:RegionInfo>`,
			want:     Properties{People: []string{"Cleo"}},
		},
		"names without a place": {
			elements: `<Iptc4xmpExt:PersonInImage><rdf:Bag><rdf:li>Dora</rdf:li></rdf:Bag></Iptc4xmpExt:PersonInImage>`,
			want:     Properties{People: []string{"Dora"}},
		},
		"what belongs to another picture does not count": {
			elements: `<xmpMM:Ingredients><rdf:Bag><rdf:li><rdf:Description xmp:Rating="5"><dc:title>other</dc:title></rdf:Description></rdf:li></rdf:Bag></xmpMM:Ingredients>`,
		},
		"text beside a property": {elements: `stray <dc:title>Title</dc:title> stray`, want: Properties{Title: "Title"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(packet(c.attributes, c.elements))
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestWhatComesBeforeAnErrorCounts(t *testing.T) {
	whole := packet("", `<dc:title>Title</dc:title><dc:subject><rdf:Bag><rdf:li>key`)
	for name, data := range map[string][]byte{
		"cut off":              whole[:strings.Index(string(whole), "<rdf:li>key")],
		"mixed up":             whole,
		"an unknown entity":    packet("", `<dc:title>Title</dc:title><dc:subject>&lol;</dc:subject>`),
		"nested without end":   packet("", `<dc:title>Title</dc:title>`+strings.Repeat("<rdf:Bag>", 10_000)),
		"another text's bytes": packet("", "<dc:title>Title</dc:title><dc:description>\xFF\xFE</dc:description>"),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(data)
			if err == nil || got.Title != "Title" || got.Keywords != nil {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestASidecarCountsMoreThanTheFile(t *testing.T) {
	file := Properties{Title: "old", Keywords: []string{"sea"}, Rating: 5, Rated: true}
	got := Properties{Title: "new", Rated: true}.Over(file)
	want := Properties{Title: "new", Keywords: []string{"sea"}, Rated: true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := (Properties{}).Over(file); !reflect.DeepEqual(got, file) {
		t.Errorf("an empty sidecar changes %+v to %+v", file, got)
	}
}

// FuzzParse looks for panics, and for values that storage would refuse or that
// grow beyond their bounds.
func FuzzParse(f *testing.F) {
	f.Add(packet(`xmp:Rating="4"`, `<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Dog</rdf:li></rdf:Alt></dc:title>`))
	f.Add(packet("", `<mwg-rs:Regions><mwg-rs:RegionList><rdf:Bag><rdf:li mwg-rs:Name="Anna"/></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>`))
	f.Add([]byte(`<rdf:li xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">x</rdf:li>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, _ := Parse(data)
		if p.Rating < 0 || p.Rating > 5 || p.Rating > 0 && !p.Rated {
			t.Errorf("a rating of %d", p.Rating)
		}
		for _, s := range append(append([]string{p.Title, p.Description}, p.Keywords...), p.People...) {
			if strings.ContainsRune(s, 0) || len(s) > maxText {
				t.Errorf("a text of %d bytes: %.50q", len(s), s)
			}
		}
		if len(p.Keywords) > maxNames || len(p.People) > maxNames {
			t.Errorf("%d keywords, %d people", len(p.Keywords), len(p.People))
		}
	})
}
