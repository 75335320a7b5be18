// The built page in a real Chromium: its predictions are those of `model.classify` in Node.
//   REVIEWKD_BROWSER_PICTURES=DIRECTORY also takes the README's pictures.
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { createModel, type Dataset, type Model } from "reviewkd";
import sharp from "sharp";
import { decodeCenter } from "../../../lib/images/center-crop.js";
import { findChromium, launchChromium } from "../../../test/support/chromium.js";
import { LANDSCAPES, landscape, trainLandscapes } from "../../../test/support/landscapes.js";
import { buildPage } from "../build.mjs";
import { serve } from "../serve.mjs";
import { differenceOf } from "./pixel-difference.js";
import { PICTURES, REDUCED } from "./pictures.js";

// @env REVIEWKD_BROWSER_PICTURES tests: The directory that receives new pictures of the browser example's page.
// Default: none is taken.
const pictures = process.env["REVIEWKD_BROWSER_PICTURES"];
/** The checkout has the runtime where its tests of ONNX files have it. */
const packages = join(import.meta.dirname, "../../../test/onnx");

/**
 * Of probabilities for the same pixels: the runtimes sum in other orders, and differ by 1e-6 over seven networks that
 * were trained from other seeds.
 */
const SUMS = 1e-4;
/** Chromium and sharp convert colors by other tables: probabilities differ by 0.004 over the seven networks. */
const COLORS = 0.012;

/** The names of the classes that the page shows, and their probabilities. */
type Shown = readonly (readonly [className: string, probability: number])[];

describe("the browser example in Chromium", function () {
  this.timeout(120_000);
  this.slow(10_000);

  let directory: string;
  let server: Server | undefined;
  let origin: string;
  let executable: string | undefined;
  let browser: Browser | undefined;
  let model: Model;
  let data: Dataset;
  let context: BrowserContext;
  let page: Page;
  const elsewhere: string[] = [];
  const complaints: string[] = [];

  before(async function () {
    executable = findChromium();
    const missing = executable === undefined
      ? "no Chromium found (apt-get install chromium, or name one by REVIEWKD_CHROMIUM)"
      : existsSync(join(packages, "node_modules/onnxruntime-web")) ? undefined
      : "onnxruntime-web is not installed. `npm run test:onnx` installs it";
    if (executable === undefined || missing !== undefined) {
      console.log(`    skipped: ${missing}.`);
      this.skip();
    }
    directory = await mkdtemp(join(tmpdir(), "reviewkd-browser-"));
    const web = join(directory, "web");
    [browser] = await Promise.all([launchChromium(executable), buildPage(web, packages)]);
    server = await serve(web, 0);
    origin = `http://localhost:${(server.address() as AddressInfo).port}/`;
    ({ model, data } = await trainLandscapes(join(directory, "landscapes")));
    await model.exportTransformers(join(web, "student"));
    for (const [name, encode] of Object.entries(PICTURES))
      await writeFile(join(directory, name), await (await encode()).toBuffer());
  });
  after(async () => {
    await browser?.close();
    server?.close();
    if (server === undefined) return;
    model.dispose();
    data.dispose();
    await rm(directory, { recursive: true, force: true });
  });

  async function newPage(from: Browser): Promise<void> {
    context = await from.newContext({ viewport: { width: 780, height: 860 }, reducedMotion: "reduce" });
    page = await context.newPage();
    page.on("request", (request) => {
      if (!request.url().startsWith(origin) && !/^(?:blob|data):/.test(request.url())) elsewhere.push(request.url());
    });
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    page.on("pageerror", ({ message }) => complaints.push(message));
  }

  beforeEach(async () => {
    await newPage(browser!);
  });
  afterEach(async () => {
    await context.close();
    // Also what the content security policy forbids.
    expect(complaints.splice(0)).to.deep.equal([]);
    expect(elsewhere.splice(0)).to.deep.equal([]);
  });

  async function open(query = ""): Promise<void> {
    await page.goto(origin + query);
    await page.locator("#network").getByText("6 classes").waitFor();
  }

  async function shown(): Promise<Shown> {
    await page.locator("#result:visible").waitFor();
    return page.locator("#classes li").evaluateAll((items) =>
      items.map((item) =>
        [item.querySelector(".name")?.textContent ?? "", Number((item as HTMLElement).dataset["probability"])] as const
      )
    );
  }

  /** Drops a file on the page, as a user's mouse does. */
  async function dropFile(name: string): Promise<void> {
    await page.locator("#file").evaluate((input) => {
      // Playwright puts the file here; the event below carries it.
      input.addEventListener("change", (event) => {
        event.stopImmediatePropagation();
        const files = new DataTransfer();
        for (const file of (input as HTMLInputElement).files ?? []) files.items.add(file);
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }));
      }, { capture: true, once: true });
    });
    await page.locator("#file").setInputFiles(join(directory, name));
  }

  async function classified(name: string): Promise<Shown> {
    await dropFile(name);
    await page.locator(`#picture[alt="${name}"]`).waitFor();
    return shown();
  }

  /** The network's input as the page shows it, RGB bytes. */
  async function seen(): Promise<Uint8Array> {
    const rgba = await page.locator("#seen").evaluate((canvas) => {
      const { width, height } = canvas as HTMLCanvasElement;
      return [...(canvas as HTMLCanvasElement).getContext("2d")!.getImageData(0, 0, width, height).data];
    });
    return Uint8Array.from(rgba.filter((_, at) => at % 4 !== 3));
  }

  /** The file as both decode it: Node decodes some JPEGs reduced, browsers always all of a picture. */
  async function decodedAlike(name: string): Promise<Buffer> {
    const file = await readFile(join(directory, name));
    return REDUCED.has(name) ? sharp(file).png().toBuffer() : file;
  }

  async function expectAsInNode(name: string, network: Model, tolerance: number): Promise<void> {
    const found = new Map(await classified(name));
    const file = await decodedAlike(name);
    const { pixels } = await decodeCenter(sharp, file, network.preprocessing);
    const { most, mean } = differenceOf(await seen(), pixels);
    // The bytes are the same, but for 4 % that differ by a step where colors are converted. Elsewhere, other processors
    // may round positions exactly between two the other way, as in resize.test.ts.
    expect(most, `steps in ${name}`).to.be.at.most(1);
    expect(mean, `steps in ${name}`).to.be.at.most(name === "other-colors.jpg" ? 0.12 : 0.02);
    const expected = await network.classify(file);
    expect(found.size).to.equal(expected.length);
    for (const { className, probability } of expected) {
      // The last of the five may be another one whose probability is nearly the same.
      const own = found.get(className) ?? Math.min(...found.values());
      expect(own, `${className} in ${name}`).to.be.closeTo(probability, tolerance);
    }
  }

  for (const name of Object.keys(PICTURES)) {
    it(`classifies ${name} as Node does`, async () => {
      await open();
      await expectAsInNode(name, model, name === "other-colors.jpg" ? COLORS : SUMS);
    });
  }

  for (const name of REDUCED) {
    it(`sees about what Node sees of ${name}, which Node decodes reduced`, async () => {
      await open();
      await classified(name);
      const { pixels } = await decodeCenter(sharp, join(directory, name), model.preprocessing);
      // Not by probabilities: what the difference does to these depends on the network, which each processor trains
      // differently. By 0.2 to 0.6 steps here; none would mean that Node does not reduce this picture.
      expect(differenceOf(await seen(), pixels).mean).to.be.within(0.05, 1.8);
    });
  }

  it("classifies without WebGL", async () => {
    await page.addInitScript(`const { getContext } = OffscreenCanvas.prototype;
      OffscreenCanvas.prototype.getContext = function (kind, options) {
        return kind === "webgl2" ? null : getContext.call(this, kind, options);
      };`);
    await open();
    for (const name of ["mountains-and-beach.jpg", "turned.jpg"]) await expectAsInNode(name, model, SUMS);
  });

  it("surrounds with black what is resized to less than the network's input", async () => {
    await model.save(join(directory, "small.safetensors"), { resizeSize: 48 });
    using small = await createModel(model.name, { numClasses: LANDSCAPES.length,
      weights: join(directory, "small.safetensors") });
    await small.exportTransformers(join(directory, "web/small"));
    await open("?model=small");
    await expectAsInNode("beach-and-tulips.jpg", small, SUMS);
  });

  for (const [name, options, tolerance] of [["fp16", { dtype: "float16" }, 0.003], ["q8", { quantize: "int8" },
    0.06]] as const) {
    it(`loads a network in ${name}`, async () => {
      await model.exportTransformers(join(directory, "web", name),
        "quantize" in options ? { ...options, calibration: data.train } : options);
      await open(`?model=${name}`);
      // Three times what the precision changed over seven networks: 0.001 and 0.018.
      await expectAsInNode("beach-and-tulips.jpg", model, tolerance);
    });
  }

  it("classifies on WebGPU", async function () {
    // Emulated on the processor.
    const other = await chromium.launch({ executablePath: executable!,
      args: ["--headless", "--no-sandbox", "--disable-background-networking", "--enable-unsafe-webgpu",
        "--use-webgpu-adapter=swiftshader"] });
    try {
      await context.close();
      await newPage(other);
      await open("?device=webgpu");
      const hasAdapter = await page.locator("#devices").waitFor({ timeout: 5000 }).then(() => true, () => false);
      if (!hasAdapter) {
        console.log("      skipped: this Chromium emulates no WebGPU.");
        this.skip();
      }
      expect(await page.getByLabel("Compute on").inputValue()).to.equal("webgpu");
      await expectAsInNode("mountains-and-beach.jpg", model, SUMS);
      await page.getByLabel("Compute on").selectOption("the processor");
      await page.waitForURL("**/?device=wasm");
    } finally {
      await context.close();
      await other.close();
    }
  });

  it("takes files that are chosen or pasted, and shows the last", async () => {
    await open();
    for (const name of ["night.png", "desert.jpg"]) {
      await page.locator("#file").setInputFiles({ name, mimeType: "image/png",
        buffer: await landscape(name.split(".")[0]!, 5, 300, 200).png().toBuffer() });
    }
    await page.getByRole("status").getByText("desert, ").waitFor({ state: "attached" });
    const bytes = [...await landscape("tulips", 5, 300, 200).png().toBuffer()];
    await page.evaluate((content) => {
      const clipboardData = new DataTransfer();
      clipboardData.items.add(new File([new Uint8Array(content)], "pasted.png", { type: "image/png" }));
      document.dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
    }, bytes);
    await page.getByRole("status").getByText("tulips, ").waitFor({ state: "attached" });
    expect((await shown())[0]![0]).to.equal("tulips");
  });

  it("says in plain words what is no picture, and takes the next", async () => {
    await open();
    await writeFile(join(directory, "notes.txt"), "not a picture");
    await dropFile("notes.txt");
    await page.getByRole("alert").getByText("notes.txt is not a picture that this browser can read.").waitFor();
    expect(complaints.splice(0)).to.have.length(1);
    expect((await classified("night.png"))[0]![0]).to.equal("night");
    expect(await page.getByRole("alert").count()).to.equal(0);
  });

  it("says that there is no network", async () => {
    await page.goto(`${origin}?model=nothing`);
    await page.getByRole("alert").getByText("There is no network in nothing/.").waitFor();
    expect(await page.locator("#loading").isVisible()).to.equal(false);
    expect(complaints.splice(0)).to.have.length.of.at.least(1);
  });

  it("reports how much of the network is loaded", async () => {
    // Served as slowly as a phone's connection would.
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await page.route("**/model.onnx", async (route) => {
      await held;
      await route.continue();
    });
    await page.goto(origin);
    await page.getByText(/^Loading the network and its runtime: 14\.\d of 14\.\d MB$/).waitFor();
    release();
    await page.locator("#network").getByText("6 classes").waitFor();
  });

  it("runs in one thread where the server does not isolate the page", async () => {
    await page.route(origin, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response,
        headers: { ...response.headers(), "cross-origin-opener-policy": "unsafe-none" } });
    });
    await open();
    expect(await page.evaluate(() => crossOriginIsolated)).to.equal(false);
    expect((await classified("night.png"))[0]![0]).to.equal("night");
    await page.unroute(origin);
    await open();
    expect(await page.evaluate(() => crossOriginIsolated)).to.equal(true);
    expect((await classified("night.png"))[0]![0]).to.equal("night");
  });

  it("is used by keyboard, and fits a phone", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await open();
    const chooser = page.waitForEvent("filechooser");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await (await chooser).setFiles(join(directory, "beach-and-tulips.jpg"));
    await shown();
    const { scroll, client } = await page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      return { scroll: scrollWidth, client: clientWidth };
    });
    expect(scroll).to.equal(client);
    if (pictures !== undefined) await page.screenshot({ path: join(pictures, "2-phone.png"), fullPage: true });
  });

  it("is drawn in the system's colors, light or dark", async () => {
    await open();
    const background = (): Promise<string> => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await background();
    await classified("mountains-and-beach.jpg");
    if (pictures !== undefined) await page.screenshot({ path: join(pictures, "1-light.png"), fullPage: true });
    await page.emulateMedia({ colorScheme: "dark" });
    expect([light, await background()]).to.deep.equal(["rgb(246, 247, 249)", "rgb(20, 24, 31)"]);
    if (pictures !== undefined) await page.screenshot({ path: join(pictures, "3-dark.png"), fullPage: true });
  });
});
