package review

// redact takes out what is called like a secret: a token may stand where a name should,
// such as an image's tag. A finding says where.
func (r *reviewer) redact() {
	const hidden = "(not shown: it holds what looks like a secret)"
	phrases := func(list []Phrase) {
		for i, p := range list {
			if r.secretive.Holds([]byte(p.String())) {
				list[i] = hidden
			}
		}
	}
	names := func(list []string) {
		for i, name := range list {
			if r.secretive.Holds([]byte(name)) {
				list[i] = hidden
			}
		}
	}
	phrases(r.review.Deletions)
	phrases(r.review.Privileges)
	phrases(r.review.Secrets)
	phrases(r.review.Images)
	for _, p := range r.review.parts() {
		phrases(p.Notes)
		for i, o := range p.Objects {
			name := []Phrase{o.Name}
			phrases(name)
			p.Objects[i].Name = name[0]
		}
	}
	names(r.review.Settings)
	names(r.review.Others)
}
