// Links in Markdown: docs links to files of the repository, which the site doesn't have.
import { posix } from "node:path";

export const REPOSITORY = "https://github.com/reviewkd/reviewkd";

/** GitHub Pages serves the site of a project below its name. */
export const BASE = "/reviewkd/";

/**
 * A link of a page, whose path is relative to docs: one that leaves docs leads to the repository on GitHub, every other
 * stays as it is.
 */
export function siteLink(href: string, page: string): string {
  if (/^(?:[a-z][a-z+.-]*:|#|\/)/i.test(href)) return href;
  const [path = "", anchor] = href.split("#");
  const target = posix.normalize(posix.join("docs", posix.dirname(page), path));
  if (target === "docs" || target.startsWith("docs/")) return href;
  const isFile = /\.\w+$/.test(target) || ["LICENSE"].includes(posix.basename(target));
  return `${REPOSITORY}/${isFile ? "blob" : "tree"}/main/${target}${anchor === undefined ? "" : `#${anchor}`}`;
}

/** The anchor of a heading as GitHub makes it, so that links work on both. */
export function anchorOf(heading: string): string {
  return heading.trim().toLowerCase().replace(/[^\p{L}\p{N}\p{M}\p{Pc} -]/gu, "").replaceAll(" ", "-");
}

/** The parts of a token of markdown-it that are read and changed here. */
export interface Token {
  type: string;
  content: string;
  attrGet(name: string): string | null;
  attrSet(name: string, value: string): void;
}

/**
 * Adapts the links of a line of text: those out of docs lead to the repository, and a link whose text is the name of a
 * page's file, as it is useful on GitHub, shows the page's title.
 */
export function adaptLinks(tokens: readonly Token[], page: string,
  titleOfPage: (path: string) => string | undefined): void {
  for (const [index, token] of tokens.entries()) {
    const href = token.type === "link_open" ? token.attrGet("href") : null;
    if (href === null) continue;
    const text = tokens[index + 1];
    const isName = text?.type === "code_inline" && tokens[index + 2]?.type === "link_close" &&
      /^[\w/-]+\.md$/.test(text.content);
    const title = isName ? titleOfPage(posix.join(posix.dirname(page), href.split("#")[0] ?? "")) : undefined;
    if (text !== undefined && title !== undefined && title !== "") {
      text.type = "text";
      text.content = title;
    }
    token.attrSet("href", siteLink(href, page));
  }
}
