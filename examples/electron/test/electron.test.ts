// The window in a real Electron, if one is installed.
import { expect } from "chai";
import { run } from "../../../lib/install/process.js";
import { ElectronKind } from "./electron-window.js";
import { describeWindow } from "./scenarios.js";

let kind: ElectronKind;

describeWindow("Electron", async () => {
  const prepared = await ElectronKind.prepare();
  if (!("missing" in prepared)) kind = prepared;
  return prepared;
}, (opened) => {
  it("is sandboxed, isolated and shown, and lets its page neither navigate nor open others", async () => {
    const { application, page } = opened().shown;
    const state = await application.evaluate(({ BrowserWindow }) => {
      const [shown, ...others] = BrowserWindow.getAllWindows();
      const { webContents } = shown!;
      const preferences = (webContents as unknown as { getLastWebPreferences(): object }).getLastWebPreferences();
      return { others: others.length, isVisible: shown!.isVisible(), preferences };
    });
    expect(state).to.deep.include({ others: 0, isVisible: true });
    expect(state.preferences).to.deep.include({ sandbox: true, contextIsolation: true, nodeIntegration: false,
      webSecurity: true });

    const addresses = (): Promise<string[]> =>
      application.evaluate(({ webContents }) => webContents.getAllWebContents().map((contents) => contents.getURL()));
    const before = await addresses();
    expect(before).to.have.lengthOf(1);
    const outcome = await page.evaluate(async () => {
      // Another file next to the page: nothing but the application prevents it.
      location.href = "styles.css";
      const child = window.open("https://elsewhere.example/");
      const permission = await Notification.requestPermission();
      // Of the preload script's world nothing is reachable but the functions that it offers.
      const offered = Object.values(window.trainer).map((value) => typeof value);
      return { child, permission, offered: [...new Set(offered)], isRequireReachable: "require" in globalThis };
    });
    expect(outcome).to.deep.equal({ child: null, permission: "denied", offered: ["function"],
      isRequireReachable: false });
    expect(await addresses()).to.deep.equal(before);
  });

  it("stays the only one: a second application with its data exits", async () => {
    const { shown: { application, page }, bench } = opened();
    const { status } = await run(kind.electron.program, kind.words(bench), { env: kind.env });
    expect(status).to.equal(0);
    expect(application.windows()).to.have.lengthOf(1);
    expect(await page.locator("#start:enabled").count()).to.equal(1);
  });
});
