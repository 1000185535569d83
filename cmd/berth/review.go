package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-gitops/berth/gitrepo/forge"
	"github.com/berth-gitops/berth/internal/review"
	"github.com/berth-gitops/berth/internal/verify"
)

type reviewOptions struct {
	base, head string
	limit      int
	comment    int64
	forge      forgeOptions
}

func newReviewCommand(g *globals) *cobra.Command {
	var o reviewOptions
	cmd := &cobra.Command{
		Use:   "review --base REVISION",
		Short: "Show what a change does to the clusters, secrets told in words",
		Long: `Show what the branch, or --head, changes on the clusters compared with --base: every
object that differs, what will be deleted, new privileges, images, and what becomes of each
secret, told from what stands beside it in plain. Then judge it as berth verify does. Only
what changed is built; nothing of the change is run, and no secret is printed.

-o markdown prints a comment for a pull request, -o json all of it for programs.
` + exitCodes,
		Example: "  berth review --base main --branch berth/shop\n  berth review --base main --head refs/pull/7/head -o markdown",
		Args:    noArgs,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return g.checkFlags(cmd, "text", "markdown", "json", "yaml")
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := givenWhole(cmd.Flags(), "base", "head"); err != nil {
				return err
			}
			return g.review(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.base, "base", "", "`revision` that the change starts from: a branch, tag or commit")
	f.StringVar(&o.head, "head", "", "`revision` to review (default the tip of --branch)")
	f.IntVar(&o.limit, "limit", review.DefaultLimit, "most `bytes` of Markdown")
	f.Int64Var(&o.comment, "comment", 0, "also post the review to the pull request with this `number`, in one comment that is kept current")
	o.forge.addFlags(cmd)
	return cmd
}

func (g *globals) review(ctx context.Context, o reviewOptions) error {
	const least = 1000
	switch {
	case o.base == "":
		return usagef("nothing is named to compare with").next("name it, as in --base main")
	case o.limit < least:
		return usagef("--limit must be at least %d", least)
	}
	steps, err := g.steps(ctx)
	if err != nil {
		return err
	}
	r, err := steps.Review(ctx, o.base, o.head)
	if err != nil {
		return err
	}
	switch g.output {
	case "json", "yaml":
		err = g.ui.print(r, g.output)
	case "markdown":
		_, err = fmt.Fprint(g.ui.out, r.Markdown(o.limit))
	default:
		_, err = fmt.Fprint(g.ui.out, r.Text(), findingsText(r.Findings))
	}
	if err != nil {
		return err
	}
	conclusion := g.concludeReview(r)
	if o.comment == 0 {
		return conclusion
	}
	err = g.postReview(ctx, o, r)
	switch {
	case errors.Is(err, forge.ErrTooMany): // anybody may write them, and nobody shall make a check fail so
		g.ui.warn("the review is not in a comment: %v", err)
	case err != nil && conclusion == nil:
		return err
	case err != nil:
		g.ui.tell(ctx, err, "berth review") // a finding blocks, whether the forge answers or not
	}
	return conclusion
}

// postReview makes the review the text of berth's one comment on a pull request.
func (g *globals) postReview(ctx context.Context, o reviewOptions, r *review.Review) error {
	pulls, err := o.forge.open(g)
	if err != nil {
		return err
	}
	_, text, _ := strings.Cut(r.Markdown(min(o.limit, pulls.BodyLimit())), "\n") // the forge's package marks it itself
	url, outcome, err := pulls.Comment(ctx, o.comment, "berth:review", text)
	if err != nil {
		return err
	}
	g.ui.action("comment %s: %s", outcome, url)
	return nil
}

func (g *globals) concludeReview(r *review.Review) error {
	if n := r.Blocking(); n > 0 {
		g.ui.failed("%s", count(n, "blocking finding"))
		return errDifferent
	}
	if r.Empty() {
		g.ui.done("nothing changes in any project")
		return nil
	}
	warnings := ""
	if n := len(r.Findings); n > 0 {
		warnings = ", " + count(n, string(verify.Warning))
	}
	g.ui.done("nothing blocking%s", warnings)
	return nil
}
