import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { expect } from "chai";
import { useTemporaryDirectory } from "./lib/install/fake-libtorch.js";

const root = resolve(import.meta.dirname, "../..");

/** The lines of a Markdown file outside of fenced code blocks. */
function proseOf(path: string): string[] {
  let fence: string | undefined;
  return readFileSync(path, "utf8").split("\n").filter((line) => {
    const marker = /^\s*(```+|~~~+)/.exec(line)?.[1];
    if (fence !== undefined) {
      if (marker?.startsWith(fence)) fence = undefined;
      return false;
    }
    fence = marker;
    return marker === undefined;
  });
}

/** The anchors of a file's headings, as GitHub derives them: repeated ones are numbered. */
function anchorsOf(path: string): Set<string> {
  const anchors = new Set<string>();
  for (const line of proseOf(path)) {
    const heading = /^#{1,6} +(.+?)(?: +#+)?$/.exec(line)?.[1];
    if (heading === undefined) continue;
    const text = heading.replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1");
    const anchor = text.toLowerCase().replace(/[^\p{L}\p{N}\p{M}\p{Pc} -]/gu, "").replaceAll(" ", "-");
    for (let count = 0, name = anchor;; name = `${anchor}-${++count}`) {
      if (anchors.has(name)) continue;
      anchors.add(name);
      break;
    }
  }
  return anchors;
}

/** The targets of a file's links and images, inline and by reference. */
function linksOf(path: string): string[] {
  const prose = proseOf(path).join("\n").replace(/(`+)(?:(?!\1)[^])*?\1/g, "");
  const links = prose.matchAll(/\]\(<?([^)\s>]+)>?(?: +"[^"]*")?\)|^\[[^\]]+\]: +<?([^\s>]+)>?/gm);
  return [...links].map(([, inline, reference]) => inline ?? reference ?? "");
}

/** Relative links whose file or anchor does not exist, as `FILE: TARGET`. */
function brokenLinks(directory: string, files: readonly string[]): string[] {
  return files.flatMap((file) => {
    const path = join(directory, file);
    return linksOf(path).filter((target) => !/^[a-z][a-z+.-]*:/i.test(target)).filter((target) => {
      const [name = "", anchor] = decodeURIComponent(target).split("#");
      const destination = name === "" ? path : resolve(dirname(path), name);
      if (!existsSync(destination)) return true;
      return anchor !== undefined && destination.endsWith(".md") && !anchorsOf(destination).has(anchor);
    }).map((target) => `${file}: ${target}`);
  });
}

describe("links in Markdown files", () => {
  const directory = useTemporaryDirectory();

  it("lead to files and headings that exist", () => {
    // Files that git does not know yet count as well, so that a new page is checked before its commit.
    const listed = execFileSync("git", ["-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard",
      "*.md"], { encoding: "utf8" });
    const files = listed.split("\0").filter((name) => name !== "" && existsSync(join(root, name)));
    expect(files).to.include.members(["README.md", "CONTRIBUTING.md", "docs/runs.md", "bench/results/README.md"]);
    expect(files.flatMap((file) => linksOf(join(root, file)))).to.have.length.above(50);
    expect(brokenLinks(root, files)).to.deep.equal([]);
  });

  it("are reported when the file or the anchor is missing", () => {
    mkdirSync(join(directory(), "docs"));
    writeFileSync(join(directory(), "docs/other.md"),
      "# Other page\n\n```sh\n# not a heading\n```\n\n## Effects of `x`, exactly\n\n## Twice\n\n## Twice\n");
    writeFileSync(join(directory(), "page.md"), [
      "[file](docs/other.md) [anchor](docs/other.md#effects-of-x-exactly) [second](docs/other.md#twice-1)",
      "[own](#page) [web](https://example.com/none.md)",
      "![picture](docs/none.png) [file](none.md) [anchor](docs/other.md#not-a-heading) [third](docs/other.md#twice-2) [own](#none)",
      "`[code](none.md)`",
      "```",
      "[code](none.md)",
      "```",
      "# Page",
      "[reference]: missing.md",
    ].join("\n"));
    expect(brokenLinks(directory(), ["page.md"])).to.deep.equal([
      "page.md: docs/none.png",
      "page.md: none.md",
      "page.md: docs/other.md#not-a-heading",
      "page.md: docs/other.md#twice-2",
      "page.md: #none",
      "page.md: missing.md",
    ]);
  });
});
