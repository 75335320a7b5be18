// Checks the built site: the size of each page, and that each link within it leads to a page and a heading.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, posix, relative, resolve } from "node:path";
import { BASE } from "./links.js";

/** A page that takes longer to load than to read. */
const MOST_BYTES = 200_000;

interface Page {
  readonly path: string;
  readonly html: string;
  readonly ids: ReadonlySet<string>;
}

/** One line for each problem. */
export function checkSite(dist: string, base = BASE): string[] {
  if (!existsSync(join(dist, "index.html"))) return [`no site at ${dist}. Build it with \`npm run site\`.`];
  const files = readdirSync(dist, { recursive: true, encoding: "utf8" }).map((name) => name.replaceAll("\\", "/"));
  const pages = new Map(files.filter((name) => name.endsWith(".html")).map((name) => [name, pageOf(dist, name)]));
  const large = files.filter((name) => /\.(?:html|md)$/.test(name) && statSync(join(dist, name)).size > MOST_BYTES)
    .map((name) =>
      `${name}: ${statSync(join(dist, name)).size} bytes, expected at most ${MOST_BYTES}. Split the page.`
    );
  const broken = [...pages.values()].flatMap((page) => brokenLinks(page, pages, new Set(files), base));
  return [...large, ...broken];
}

function pageOf(dist: string, path: string): Page {
  const html = readFileSync(join(dist, path), "utf8");
  return { path, html, ids: new Set([...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => decode(id ?? ""))) };
}

function decode(text: string): string {
  return text.replaceAll("&amp;", "&").replaceAll("&quot;", '"').replaceAll("&#39;", "'");
}

function brokenLinks({ path, html }: Page, pages: ReadonlyMap<string, Page>, files: ReadonlySet<string>,
  base: string): string[] {
  const links = [...html.matchAll(/<(?:a|img|link|script)\b[^>]*? (?:href|src)="([^"]*)"/g)].map(([, href]) =>
    decode(href ?? "")
  );
  return [...new Set(links)].filter((href) => !/^[a-z][a-z+.-]*:/i.test(href)).flatMap((href) => {
    const [target = "", anchor = ""] = href.split("#");
    const inside = target === "" ? path : insideOf(target, path, base);
    if (inside === undefined) return [`${path}: ${href} is outside of the site.`];
    const name = [inside, `${inside}.html`, posix.join(inside, "index.html")].find((one) =>
      files.has(one) && /\.\w+$/.test(one)
    );
    if (name === undefined) return [`${path}: no page for ${href}.`];
    const page = pages.get(name);
    return page === undefined || anchor === "" || page.ids.has(decodeURIComponent(anchor)) ? []
      : [`${path}: no heading for ${href}.`];
  });
}

/** The file of a link, as a path in the site. */
function insideOf(target: string, path: string, base: string): string | undefined {
  if (target.startsWith("/"))
    return target.startsWith(base) ? decodeURIComponent(target.slice(base.length)) : undefined;
  return relative(".", resolve(dirname(path), decodeURIComponent(target))).replaceAll("\\", "/");
}
