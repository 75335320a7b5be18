// The content of a window: the preload script alone, or a page of a real Chromium.
import { pathToFileURL } from "node:url";
import { createContext, runInContext } from "node:vm";
import type { BrowserContext, Page } from "playwright-core";
import type { Bridge } from "../src/shared/contract.js";
import { preloadProgram, type Front, type Invoke } from "./stand-in.js";

export { findChromium, launchChromium } from "../../../test/support/chromium.js";

type Listener = (channel: string, message: unknown) => void;

/** The bridge alone, as a page would find it in its window. */
export class BridgeFront implements Front {
  trainer: Bridge | undefined;
  #listener: Listener | undefined;

  load(page: string, preload: string, invoke: Invoke): Promise<void> {
    const url = pathToFileURL(page).href;
    const context = createContext({
      expose: (name: string, api: Bridge) => {
        if (name === "trainer") this.trainer = api;
      },
      invoke: (channel: string, request: unknown) => invoke(channel, request, url),
      listen: (listener: Listener) => {
        this.#listener = listener;
      },
    });
    runInContext(preloadProgram(preload, { expose: "expose", invoke: "invoke", listen: "listen" }), context);
    return Promise.resolve();
  }

  deliver(channel: string, message: unknown): void {
    this.#listener?.(channel, message);
  }
  reload(): Promise<void> {
    return Promise.resolve();
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A page of a real Chromium. */
export class ChromiumFront implements Front {
  /** Unexpected output of the page's console: errors, and violations of the content security policy. */
  readonly complaints: string[] = [];
  #page: Page | undefined;

  constructor(private readonly context: BrowserContext) {}

  get page(): Page {
    if (this.#page === undefined) throw new Error("the page was not loaded yet");
    return this.#page;
  }

  async load(page: string, preload: string, invoke: Invoke): Promise<void> {
    const shown = this.#page = await this.context.newPage();
    shown.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") this.complaints.push(message.text());
    });
    shown.on("pageerror", (error) => {
      this.complaints.push(error.message);
    });
    await shown.exposeBinding("standInInvoke",
      ({ frame }, channel: string, request: unknown) => invoke(channel, request, frame.url()));
    await shown.addInitScript({ content: preloadProgram(preload, {
      expose: "(name, api) => Object.defineProperty(window, name, { value: api })",
      invoke: "window.standInInvoke",
      listen: "(listener) => Object.defineProperty(window, 'standInDeliver', { value: listener })",
    }) });
    await shown.goto(pathToFileURL(page).href);
  }

  deliver(channel: string, message: unknown): void {
    // A page that is being reloaded or closed receives nothing.
    this.page.evaluate(`window.standInDeliver?.(${JSON.stringify(channel)}, ${JSON.stringify(message)})`).catch(() =>
      undefined
    );
  }

  async reload(): Promise<void> {
    await this.page.reload();
  }
  async close(): Promise<void> {
    await this.page.close();
  }
}
