import { expect } from "chai";
import { adaptLinks, anchorOf, siteLink, type Token } from "../../../site/links.js";

/** Tokens of markdown-it for a link whose text is code. */
function linkTokens(href: string, text: string): Token[] {
  const token = (type: string, content = ""): Token & { href: string | null } => ({ type, content,
    href: type === "link_open" ? href : null, attrGet() {
    return this.href;
  }, attrSet(_, value) {
    this.href = value;
  } });
  return [token("link_open"), token("code_inline", text), token("link_close")];
}

describe("links of the site", () => {
  it("lead to the repository where they leave docs, files and folders", () => {
    expect(siteLink("../examples/detector.ts", "detection.md"))
      .to.equal("https://github.com/reviewkd/reviewkd/blob/main/examples/detector.ts");
    expect(siteLink("../../examples/cluster", "guides/processes.md"))
      .to.equal("https://github.com/reviewkd/reviewkd/tree/main/examples/cluster");
    expect(siteLink("../CONTRIBUTING.md#cuda", "architecture.md"))
      .to.equal("https://github.com/reviewkd/reviewkd/blob/main/CONTRIBUTING.md#cuda");
  });

  it("stay as they are within docs and to other sites", () => {
    for (const href of ["../runs.md#options", "resume.md", "#here", "https://zod.dev", "/api/"])
      expect(siteLink(href, "guides/detector.md")).to.equal(href);
  });

  it("show the title of a page instead of the name of its file", () => {
    const title = (path: string): string | undefined => (path === "runs.md" ? "Runs" : undefined);
    const tokens = linkTokens("../runs.md#options", "runs.md");
    adaptLinks(tokens, "guides/resume.md", title);
    expect(tokens.map(({ type, content }) => [type, content])[1]).to.deep.equal(["text", "Runs"]);
    const other = linkTokens("../lib/errors.ts", "lib/errors.ts");
    adaptLinks(other, "errors.md", title);
    expect([other[0]?.attrGet("href"), other[1]?.content]).to.deep.equal([
      "https://github.com/reviewkd/reviewkd/blob/main/lib/errors.ts",
      "lib/errors.ts",
    ]);
  });

  it("find headings by the anchors that GitHub gives them", () => {
    expect(anchorOf("Effects of `x`, exactly")).to.equal("effects-of-x-exactly");
    expect(anchorOf("2. Train the teacher")).to.equal("2-train-the-teacher");
  });
});
