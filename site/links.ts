// Links in Markdown: docs links to files of the repository, which the site doesn't have.
import { posix } from "node:path";

export const REPOSITORY = "https://github.com/reviewkd/reviewkd";

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
