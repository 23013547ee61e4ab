/* Flask-Billing: what pages do beyond links, forms and htmx. Everything works without it. */
(() => {
  "use strict";

  const ROOT = ".fb-root";
  const TOAST_SECONDS = 8;
  const find = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const ours = (element) => element instanceof Element && element.closest(ROOT);
  /* htmx 4 and htmx 2 name their events differently. */
  const on = (names, handle) => names.split(" ").forEach((name) => document.addEventListener(name, handle));

  const mark = () => all(ROOT).forEach((root) => { root.dataset.fbJs = ""; });

  /* Toasts */

  const dismiss = (toast) => toast.remove();

  const keep = (toast) => {
    if (toast.fbTimed) return;
    toast.fbTimed = true;
    if (toast.dataset.fbToast === "error") return;
    let timer;
    const start = () => { timer = setTimeout(dismiss, TOAST_SECONDS * 1000, toast); };
    const stop = () => clearTimeout(timer);
    ["mouseenter", "focusin"].forEach((name) => toast.addEventListener(name, stop));
    ["mouseleave", "focusout"].forEach((name) => toast.addEventListener(name, start));
    start();
  };

  const timeToasts = () => all(".fb-toast").forEach(keep);

  const alertUser = (text) => {
    const place = find("#fb-alerts");
    const template = find("#fb-toast-template");
    if (!place || !template) return;
    const toast = template.content.firstElementChild.cloneNode(true);
    find(".fb-toast-text", toast).textContent = text;
    place.append(toast);
    timeToasts();
  };

  /* A toast that came with the page is put in again, so that it is announced. */
  const announceToasts = () => all("#fb-toasts > .fb-toast").forEach((toast) => {
    const place = toast.parentElement;
    toast.remove();
    setTimeout(() => { place.append(toast); keep(toast); }, 100);
  });

  /* Dialog */

  let answer = null;

  const ask = ({ title, text, confirm, label, link }, then) => {
    const dialog = find("#fb-dialog");
    if (!dialog?.showModal || dialog.open) return false;
    find("#fb-dialog-title", dialog).textContent = title;
    find("[data-fb-dialog-text]", dialog).textContent = text || "";
    const go = find('[data-fb-dialog="link"]', dialog);
    go.hidden = !link;
    if (link) go.href = link;
    const sure = find('[data-fb-dialog="confirm"]', dialog);
    sure.hidden = !confirm;
    sure.dataset.fbLabel ||= sure.textContent;
    sure.textContent = label || sure.dataset.fbLabel;
    answer = then;
    dialog.returnValue = "";
    dialog.onclose = () => { answer?.(dialog.returnValue === "confirm"); answer = null; };
    dialog.showModal();
    find("#fb-dialog-title", dialog).focus();
    return true;
  };

  on("htmx:confirm", (event) => {
    const element = event.target;
    const question = ours(element) && element.getAttribute("hx-confirm");
    if (!question) return;
    event.preventDefault();
    const { issueRequest, dropRequest } = event.detail;
    const { fbConfirmText: text, fbConfirmLabel: label } = element.dataset;
    ask({ title: question, text, label, confirm: true }, (yes) => (yes ? issueRequest(true) : dropRequest?.()));
  });

  on("billing:quota-exceeded", (event) => {
    const { title, detail, upgrade_url: link } = event.detail || {};
    /* htmx 4 has put the same words into the page by now. */
    if (title && !find("[data-fb-quota]")) ask({ title, text: detail, link: link?.startsWith("/") ? link : null });
  });

  /* Busy forms */

  const busy = (form, is) => {
    if (is) form.setAttribute("aria-busy", "true");
    else form.removeAttribute("aria-busy");
    all("button[type=submit]", form).forEach((button) => { button.disabled = is; });
  };

  const idle = () => all("[data-fb-busy][aria-busy]").forEach((form) => busy(form, false));

  on("htmx:before:request htmx:beforeRequest", (event) => {
    const source = event.target;
    if (!ours(source)) return;
    if (source.hasAttribute("data-fb-poll") && document.hidden) return event.preventDefault();
    if (source.dataset.fbRegion) document.getElementById(source.dataset.fbRegion)?.setAttribute("aria-busy", "true");
    if (source.hasAttribute("data-fb-busy")) {
      find("#fb-alerts")?.replaceChildren();
      busy(source, true);
    }
  });

  on("htmx:finally:request htmx:afterRequest", (event) => {
    const headers = event.detail.ctx?.response?.headers;
    const leaving = headers ? headers.get("HX-Redirect") : event.detail.xhr?.getResponseHeader("HX-Redirect");
    if (!leaving && event.target instanceof Element && event.target.matches("[data-fb-busy]")) busy(event.target, false);
  });

  on("htmx:finally:request htmx:afterRequest", (event) => {
    const region = event.target instanceof Element && event.target.dataset.fbRegion;
    if (region) document.getElementById(region)?.removeAttribute("aria-busy");
  });

  /* What somebody opened stays open when its part of the page is replaced. */
  const opened = new Set();

  document.addEventListener("toggle", ({ target }) => {
    if (ours(target) && target.id && target.matches("details")) opened[target.open ? "add" : "delete"](target.id);
  }, true);

  const reopen = () => opened.forEach((id) => { const found = document.getElementById(id); if (found) found.open = true; });

  document.addEventListener("submit", (event) => {
    /* Without htmx the browser leaves the page; a second click must not send a second form. */
    if (!window.htmx && event.target.matches("[data-fb-busy]")) setTimeout(busy, 0, event.target, true);
  });

  /* Answers that are errors */

  const failed = (event) => {
    const { ctx, xhr } = event.detail;
    const status = ctx?.response?.status ?? xhr?.status ?? 0;
    const reswap = ctx?.response ? ctx.response.headers?.get("HX-Reswap") : xhr?.getResponseHeader("HX-Reswap");
    const source = ctx?.sourceElement || event.target;
    if (!ours(source) || source.hasAttribute("data-fb-poll")) return;
    if ((status === 0 || status >= 500) && reswap !== "none") alertUser(find("#fb-alerts")?.dataset.fbFailed || "");
  };

  on("htmx:response:error htmx:responseError htmx:error htmx:sendError htmx:timeout", failed);

  /* htmx 2 shows no answer from 400 on; ours are meant to be seen. */
  on("htmx:beforeSwap", (event) => {
    const { xhr, target } = event.detail;
    if (!xhr || !ours(target) || xhr.status < 400) return;
    event.detail.shouldSwap = xhr.status < 500 || xhr.getResponseHeader("HX-Reswap") === "none";
    event.detail.isError = xhr.status >= 500;
  });

  on("htmx:after:settle htmx:afterSettle htmx:finally:request htmx:afterRequest", () => {
    mark();
    reopen();
    timeToasts();
    all("[data-fb-fresh-token]").forEach((fresh) => {
      all(`${ROOT} input[name=csrf_token]`).forEach((field) => { field.value = fresh.dataset.fbFreshToken; });
      fresh.removeAttribute("data-fb-fresh-token");
    });
  });

  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    const close = event.target.closest("[data-fb-dismiss]");
    if (close && ours(close)) dismiss(close.closest(".fb-toast"));
    const button = event.target.closest("button[data-fb-dialog]");
    if (button && ours(button)) find("#fb-dialog").close(button.dataset.fbDialog);
  });

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && find("[data-fb-poll]")) document.body.dispatchEvent(new CustomEvent("billing:usage"));
  });

  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    idle();
    all(`${ROOT} .htmx-request`).forEach((element) => element.classList.remove("htmx-request"));
  });

  /* The choice made before signing in goes on to checkout by itself, once: going back or
     reloading shows the page and its button. */
  addEventListener("load", () => {
    const form = find(`${ROOT} [data-fb-submit-once] form`);
    const [visit] = performance.getEntriesByType("navigation");
    /* htmx takes the form over in a timer of its own, which has to come first. */
    if (form && visit?.type === "navigate") setTimeout(() => form.requestSubmit(), 50);
  });

  mark();
  announceToasts();
  idle();
})();
