// The words between this frame and the site's page: a closed list both ways, to one window of one origin.

/** Each kind the loader may say, and how its fields become ours; whatever else comes is dropped unread. */
const KINDS = {
  open: ({ full, focus }) => ({ full: full === true, focus: focus === true }),
  close: () => ({}),
  page: ({ url, title }) => (isHttp(url) && typeof title === "string" ? { url: url.replace(/\?$/, "").slice(0, 500), title: title.slice(0, 200) } : null),
  shutdown: () => ({}),
};

export class Host {
  /** `sites` are the origins that may carry this chat (none: any). `on` has a function for each kind. */
  constructor(sites, on) {
    // The page names itself in our address. A lie gains nothing: the browser delivers only to whom it is addressed,
    // and who may frame us at all is in our headers.
    const named = new URLSearchParams(location.search).get("host") ?? "";
    const origin = isHttp(named) && new URL(named).origin;
    this.origin = parent !== window && origin && (!sites.length || sites.includes(origin)) ? origin : null;
    addEventListener("message", (event) => {
      if (!this.origin || event.origin !== this.origin || event.source !== parent) return;
      const data = event.data;
      if (typeof data !== "object" || data === null || !Object.hasOwn(KINDS, data.rapport)) return;
      const fields = KINDS[data.rapport](data);
      if (fields) on[data.rapport](fields);
    });
  }

  tell(rapport, fields) {
    if (this.origin) parent.postMessage({ rapport, ...fields }, this.origin);
  }
}

function isHttp(text) {
  return typeof text === "string" && /^https?:\/\//.test(text) && URL.canParse(text);
}
