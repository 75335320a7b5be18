import { expect } from "chai";
import { pagesIn, SECTIONS, sectionsOf, titleOf } from "../../../site/sections.js";

describe("the navigation of the site", () => {
  const pages = pagesIn("docs");

  it("has each page of docs once", () => {
    const listed = sectionsOf(pages).flatMap((section) => section.pages);
    expect([...listed].sort()).to.deep.equal(pages);
    expect(listed[0]).to.equal("index");
    expect(listed).to.include.members(["guides/photographs", "typescript", "errors"]);
  });

  it("leaves out pages that do not exist, and lists unknown ones at the end", () => {
    expect(
      sectionsOf(["index", "new"], [{ title: "Guides", pages: ["index", "export"] }, { title: "Empty",
        pages: ["export"] }]),
    ).to.deep.equal([{ title: "Guides", pages: ["index"] }, { title: "More", pages: ["new"] }]);
  });

  it("names no page in two sections", () => {
    const named = SECTIONS.flatMap((section) => section.pages);
    expect(new Set(named).size).to.equal(named.length);
  });

  it("takes titles from the first heading", () => {
    expect(titleOf("text\n# On `this` page\n## Other")).to.equal("On this page");
  });
});
