// The built site in a real Chromium. `npm run site` builds it.
import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { Browser, Page } from "playwright-core";
import { checkSite } from "../../site/check.js";
import { BASE } from "../../site/links.js";
import { findChromium, launchChromium } from "../support/chromium.js";

const dist = fileURLToPath(new URL("../../site/.vitepress/dist", import.meta.url));
const TYPES: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css",
  ".svg": "image/svg+xml", ".json": "application/json" };

/** Serves the site as GitHub Pages does: below its name, and pages without their ending. */
function serve(): Promise<Server> {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "", "http://localhost").pathname).replace(BASE, "");
    const found = [path, `${path}.html`, join(path, "index.html")].map((name) => join(dist, name))
      .find((name) => existsSync(name) && statSync(name).isFile());
    response.statusCode = found === undefined ? 404 : 200;
    response.setHeader("content-type", TYPES[extname(found ?? "")] ?? "text/plain");
    response.end(found === undefined ? "" : readFileSync(found));
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      resolve(server);
    });
  });
}

describe("the built site", function () {
  this.timeout(120_000);
  this.slow(20_000);

  let browser: Browser | undefined;
  let server: Server | undefined;
  let page: Page;
  const problems: string[] = [];
  const open = async (path: string): Promise<void> => {
    const { port } = server?.address() as AddressInfo;
    await page.goto(`http://127.0.0.1:${port}${BASE}${path}`, { waitUntil: "networkidle" });
  };

  before(async function () {
    if (!existsSync(join(dist, "index.html"))) {
      console.log("    skipped: no built site (npm ci --prefix site && npm run site).");
      this.skip();
    }
    const executable = findChromium();
    if (executable === undefined) {
      console.log("    skipped: no Chromium found (apt-get install chromium, or name one by REVIEWKD_CHROMIUM).");
      this.skip();
    }
    server = await serve();
    browser = await launchChromium(executable);
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(message.text());
    });
  });
  after(async () => {
    await browser?.close();
    server?.close();
  });

  it("has no large page and no dead link", () => {
    expect(checkSite(dist)).to.deep.equal([]);
  });

  it("leads from its first page to each guide and to the API, without an error of a script", async () => {
    await open("");
    expect(await page.textContent("h1")).to.include("Distill image networks in TypeScript");
    const links = await page.evaluate<string[]>(
      '[...document.querySelectorAll(".VPSidebar a")].map((a) => a.pathname)',
    );
    expect(links).to.include.members([`${BASE}guides/photographs`, `${BASE}typescript`, `${BASE}api/`]);
    await page.click('.VPSidebar a[href$="guides/photographs"]');
    await page.waitForSelector("h1:has-text('Distill on your own photographs')");
    await page.click('.VPNavBar a[href$="/api/"]');
    await page.waitForSelector("h1:has-text('API reference')");
    expect(problems).to.deep.equal([]);
  });

  it("has a row with type, default and description for an option", async () => {
    await open("api/networks/ModelOptionsInput");
    const cells = await page.locator("tr:has(#property-seed) td").allTextContents();
    expect(cells.map((cell) => cell.trim())).to.deep.equal(["seed?", "integer ≥ 0", "0",
      "Seeds the published initialisation."]);
  });

  it("finds an option by its name", async () => {
    await open("");
    await page.keyboard.press("Control+k");
    await page.fill(".VPLocalSearchBox input", "accumulateBatches");
    await page.waitForSelector(".VPLocalSearchBox .result");
    const results = await page.locator(".VPLocalSearchBox .result").allTextContents();
    expect(results.join()).to.include("TrainingOptionsInput");
  });

  it("fits a phone: code and tables scroll by themselves", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    for (const path of ["", "guides/photographs", "api/training/FitOptions", "detection"]) {
      await open(path);
      const [content, window] = await page.evaluate<[number, number]>(
        "[document.documentElement.scrollWidth, innerWidth]",
      );
      expect(content, path).to.be.at.most(window);
    }
  });
});
