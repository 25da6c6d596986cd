package query

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// String prints q so that it parses to an equal Query. Every photo by
// relevance is "sort:relevance".
func (q Query) String() string {
	switch {
	case q.Root == nil && q.Sort == ByRelevance:
		return "sort:relevance"
	case q.Root == nil:
		return "sort:" + string(q.Sort)
	case q.Sort == ByRelevance:
		return q.Root.String()
	default:
		return q.Root.String() + " sort:" + string(q.Sort)
	}
}

func (n And) String() string {
	parts := make([]string, len(n.Nodes))
	for i, part := range n.Nodes {
		parts[i] = part.String()
		if _, ok := part.(Or); ok {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, " ")
}

func (n Or) String() string {
	parts := make([]string, len(n.Nodes))
	for i, part := range n.Nodes {
		parts[i] = part.String()
	}
	return strings.Join(parts, " OR ")
}

func (n Not) String() string {
	switch n.Node.(type) {
	case And, Or:
		return "-(" + n.Node.String() + ")"
	default:
		return "-" + n.Node.String()
	}
}

func (n Word) String() string { return n.Text }

func (n Prefix) String() string { return n.Text + "*" }

func (n Fuzzy) String() string { return n.Text + "~" }

func (n Phrase) String() string { return `"` + n.Text + `"` }

func (n Named) String() string {
	switch {
	case n.Prefix:
		return string(n.Field) + ":" + n.Text + "*"
	case textError(n.Text) == "":
		return string(n.Field) + ":" + n.Text
	default:
		return string(n.Field) + `:"` + n.Text + `"`
	}
}

func (n Taken) String() string {
	if n.From == n.To {
		return "taken:" + n.From.String()
	}
	return "taken:" + n.From.String() + ".." + n.To.String()
}

// IsZero reports whether d stands for an open end.
func (d Date) IsZero() bool { return d == Date{} }

func (d Date) String() string {
	switch {
	case d.IsZero():
		return ""
	case d.Month == 0:
		return fmt.Sprintf("%04d", d.Year)
	case d.Day == 0:
		return fmt.Sprintf("%04d-%02d", d.Year, d.Month)
	default:
		return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
	}
}

func (n Near) String() string {
	radius := formatNumber(n.Radius/1000) + "km"
	if same, ok := metres(radius); !ok || same != n.Radius || n.Radius < 1000 {
		radius = formatNumber(n.Radius) + "m"
	}
	return "near:" + formatNumber(n.Lat) + "," + formatNumber(n.Lon) + "," + radius
}

func (n Box) String() string {
	return "box:" + formatNumber(n.South) + "," + formatNumber(n.West) + "," +
		formatNumber(n.North) + "," + formatNumber(n.East)
}

func (n Range) String() string {
	field := string(n.Number) + ":"
	if value, ok := n.exact(); ok {
		return field + value
	}
	switch {
	case n.MinOpen:
		return field + ">" + formatNumber(n.Min)
	case n.MaxOpen:
		return field + "<" + formatNumber(n.Max)
	case math.IsInf(n.Min, -1):
		return field + ".." + formatNumber(n.Max)
	case math.IsInf(n.Max, 1):
		return field + formatNumber(n.Min) + ".."
	default:
		return field + formatNumber(n.Min) + ".." + formatNumber(n.Max)
	}
}

// exact finds the one value that reads as n, if there is a short one.
func (n Range) exact() (string, bool) {
	middle := n.Min + (n.Max-n.Min)/2
	candidates := []string{strconv.FormatFloat(middle, 'f', 4, 64), formatNumber(middle)}
	if n.Number == Exposure && middle < 1 {
		candidates = append([]string{"1/" + strconv.FormatFloat(1/middle, 'f', 0, 64)}, candidates...)
	}
	for _, text := range candidates {
		value, ok := n.Number.value(text)
		if ok && n.Number.exactly(value) == n {
			if strings.Contains(text, ".") {
				text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
			}
			return text, true
		}
	}
	return "", false
}

func (n Has) String() string { return "has:" + n.What }

func (n By) String() string {
	if n.Me {
		return "by:me"
	}
	return "by:model"
}

func (n Album) String() string { return "@" + n.Name }

// formatNumber prints the shortest number that parses to x.
func formatNumber(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
