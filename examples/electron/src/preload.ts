// The only bridge into the window: one function per request, and one to subscribe to updates. Electron itself is not
// exposed.
import { contextBridge, ipcRenderer } from "electron";
import { CHANNELS, UPDATES } from "./shared/channels.js";

const requests = Object.fromEntries(
  CHANNELS.map((name) => [name, (request: unknown): Promise<unknown> => ipcRenderer.invoke(name, request)]),
);

contextBridge.exposeInMainWorld("trainer", {
  ...requests,
  onUpdate: (listener: (update: unknown) => void): () => void => {
    // The event is left out because it would expose Electron's own objects to the window.
    const onMessage = (_event: unknown, update: unknown): void => {
      listener(update);
    };
    ipcRenderer.on(UPDATES, onMessage);
    return () => {
      ipcRenderer.off(UPDATES, onMessage);
    };
  },
});
