import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { checkSite } from "../../../site/check.js";
import { useTemporaryDirectory } from "../lib/install/fake-libtorch.js";

describe("the check of the built site", () => {
  const directory = useTemporaryDirectory();

  function write(pages: Readonly<Record<string, string>>): void {
    for (const [name, html] of Object.entries(pages)) {
      mkdirSync(join(directory(), name, ".."), { recursive: true });
      writeFileSync(join(directory(), name), html);
    }
  }

  it("accepts links to pages, folders, files and headings", () => {
    write({
      "index.html":
        '<i id="top"></i><a href="/base/guides/one#two">a</a><a class="x" href="./api/">b</a><img src="/base/a.svg">',
      "guides/one.html":
        '<h2 id="two">x</h2><a href="../#top">c</a><a href="#two">d</a><a href="https://zod.dev">e</a>',
      "api/index.html": '<p id="top"></p><a href="/base/">f</a>',
      "a.svg": "<svg/>",
    });
    expect(checkSite(directory(), "/base/")).to.deep.equal([]);
  });

  it("reports missing pages and headings, links out of the base, and large pages", () => {
    write({ "index.html": '<a href="/base/none">a</a><a href="/base/big#none">b</a><a href="/other/big">c</a>',
      "big.html": "x".repeat(200_001) });
    expect(checkSite(directory(), "/base/")).to.deep.equal([
      "big.html: 200001 bytes, expected at most 200000. Split the page.",
      "index.html: no page for /base/none.",
      "index.html: no heading for /base/big#none.",
      "index.html: /other/big is outside of the site.",
    ]);
  });

  it("reports that there is no site", () => {
    expect(checkSite(join(directory(), "none"))).to.have.lengthOf(1);
  });
});
