// A substitute for Electron, whose binary is not available everywhere: the parts that the application uses, as its
// documentation describes them. A front provides the window's content: a real Chromium, or the preload script alone.
import { EventEmitter } from "node:events";
import { readFile } from "node:fs/promises";
import type { Platform } from "../src/application.js";

/** Sends a request to the main process, like `ipcRenderer.invoke`. */
export type Invoke = (channel: string, request: unknown, from: string) => Promise<unknown>;

/** The content of a window. */
export interface Front {
  load(page: string, preload: string, invoke: Invoke): Promise<void>;
  deliver(channel: string, message: unknown): void;
  reload(): Promise<void>;
  close(): Promise<void>;
}

type Handler = (event: { readonly senderFrame: { readonly url: string } }, request: unknown) => Promise<unknown>;

/** A window whose content a front provides. */
export class StandInWindow extends EventEmitter {
  readonly webContents = Object.assign(new EventEmitter(), {
    send: (channel: string, message: unknown): void => {
      this.front.deliver(channel, structuredClone(message));
    },
    setWindowOpenHandler: (handler: () => { action: string }): void => {
      this.openHandler = handler;
    },
    session: {
      setPermissionRequestHandler: (
        handler: (contents: unknown, permission: string, allow: (allowed: boolean) => void) => void,
      ): void => {
        this.permissionHandler = handler;
      },
    },
    reload: (): void => {
      void this.front.reload();
    },
  });
  openHandler: (() => { action: string }) | undefined;
  permissionHandler: ((contents: unknown, permission: string, allow: (allowed: boolean) => void) => void) | undefined;
  shown = false;
  focused = 0;
  #destroyed = false;

  constructor(readonly electron: StandInElectron,
    readonly options: { readonly minWidth: number; readonly minHeight: number;
      readonly webPreferences: Record<string, unknown> & { readonly preload: string } }, readonly front: Front) {
    super();
  }

  async loadFile(page: string): Promise<void> {
    const preload = await readFile(this.options.webPreferences.preload, "utf8");
    await this.front.load(page, preload, (channel, request, from) => this.electron.invoke(channel, request, from));
    this.emit("ready-to-show");
  }

  show(): void {
    this.shown = true;
  }
  focus(): void {
    ++this.focused;
  }
  isMinimized(): boolean {
    return false;
  }
  restore(): void {
    this.focus();
  }
  isDestroyed(): boolean {
    return this.#destroyed;
  }

  /** Closes the window as the user would. */
  close(): void {
    const event = { prevented: false, preventDefault(): void {
      this.prevented = true;
    } };
    this.emit("close", event);
    if (!event.prevented) this.destroy();
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    void this.front.close().then(() => {
      this.emit("closed");
      this.electron.app.emit("window-all-closed");
    });
  }
}

/** The substitute for `import("electron")` in a main process. */
export class StandInElectron {
  readonly windows: StandInWindow[] = [];
  /** The user's choices in the next dialogs; empty: they are cancelled. */
  readonly choices: string[] = [];
  readonly dialogs: { readonly kind: "open" | "save"; readonly defaultPath?: string | undefined }[] = [];
  readonly errorBoxes: string[] = [];
  readonly #handlers = new Map<string, Handler>();
  #quit: () => void = () => undefined;
  /** Resolves when the application has quit. */
  readonly quit = new Promise<void>((resolve) => {
    this.#quit = resolve;
  });

  readonly app = Object.assign(new EventEmitter(), {
    requestSingleInstanceLock: () => this.isFirst,
    whenReady: () => Promise.resolve(),
    getPath: () => this.userData,
    quit: () => {
      this.#quit();
    },
  });

  constructor(private readonly userData: string, private readonly makeFront: () => Front,
    private readonly isFirst = true) {}

  get window(): StandInWindow {
    const [window, ...others] = this.windows;
    if (window === undefined || others.length > 0)
      throw new Error(`invalid windows: expected one, received ${this.windows.length}.`);
    return window;
  }

  /** Arguments and answers are cloned, as they are between processes. */
  async invoke(channel: string, request: unknown, from: string): Promise<unknown> {
    const handler = this.#handlers.get(channel);
    if (handler === undefined) throw new Error(`No handler registered for '${channel}'`);
    return structuredClone(await handler({ senderFrame: { url: from } }, structuredClone(request)));
  }

  /** The parts of Electron that the application requires. */
  get platform(): Platform {
    const { app, windows, makeFront } = this;
    const handlers = this.#handlers;
    const own = (options: StandInWindow["options"]): StandInWindow => new StandInWindow(this, options, makeFront());
    function BrowserWindow(options: StandInWindow["options"]): StandInWindow {
      const window = own(options);
      windows.push(window);
      return window;
    }
    const choose = (kind: "open" | "save", { defaultPath }: { readonly defaultPath?: string }): string | undefined => {
      this.dialogs.push({ kind, defaultPath });
      return this.choices.shift();
    };
    const stand = {
      app,
      BrowserWindow,
      ipcMain: { handle: (channel: string, handler: Handler) => {
        handlers.set(channel, handler);
      } },
      dialog: {
        showOpenDialog: (_window: unknown, options: object) => {
          const path = choose("open", options);
          return Promise.resolve({ filePaths: path === undefined ? [] : [path] });
        },
        showSaveDialog: (_window: unknown, options: object) =>
          Promise.resolve({ filePath: choose("save", options) ?? "" }),
        showErrorBox: (title: string, text: string) => {
          this.errorBoxes.push(`${title}: ${text}`);
        },
      },
    };
    return stand as unknown as Platform;
  }
}

/**
 * The part of `electron` that a preload script sees, as source text; `invoke` and `listen` connect it to the outside.
 */
export function preloadProgram(preload: string,
  { expose, invoke, listen }: { readonly expose: string; readonly invoke: string; readonly listen: string }): string {
  return `(() => {
    const listeners = new Map();
    (${listen})((channel, message) => { for (const listener of listeners.get(channel) ?? []) listener({}, message); });
    const freeze = (value) => { for (const inner of Object.values(value)) if (typeof inner === "object") freeze(inner); return Object.freeze(value); };
    const electron = {
      contextBridge: { exposeInMainWorld: (name, api) => (${expose})(name, freeze(api)) },
      ipcRenderer: {
        invoke: (channel, request) => (${invoke})(channel, request),
        on: (channel, listener) => { listeners.set(channel, [...(listeners.get(channel) ?? []), listener]); },
        off: (channel, listener) => { listeners.set(channel, (listeners.get(channel) ?? []).filter((other) => other !== listener)); },
      },
    };
    const require = (name) => { if (name === "electron") return electron; throw new Error("a sandboxed preload script has no " + name); };
    const module = { exports: {} };
    ((require, module, exports) => { ${preload}
    })(require, module, module.exports);
  })();`;
}
