/* Flask-Billing: what needs Stripe.js. Only pages with a card form or a payment to confirm have it.

   Stripe.js is loaded when it is needed, from js.stripe.com or, on the sandbox, from this site.

   [data-fb-confirm-payment] is a payment the bank wants the customer to confirm; the macro of
   billing/_confirm_payment.html writes it. It carries data-fb-stripe-url, data-fb-stripe-key,
   data-fb-client-secret (of a payment or setup intent), data-fb-return-url, and the texts
   data-fb-unloaded and data-fb-needs-card; inside are a form and [data-fb-stripe-error]. Sending
   the form asks the bank first. Once it has agreed, or where nothing was left to do, the form is
   sent as it stands, so that the server looks at the payment and shows the page afresh.

   form[data-fb-card-form] is a card form; billing/_card_form.html writes it. Stripe's fields are
   mounted when it comes into the page and taken out before it goes. Sending it has Stripe save
   the card, on a setup intent that the server makes, and then sends the intent's id: no card data
   reaches the server. Where the fields do not come in time, [data-fb-fallback] is shown. */
(() => {
  "use strict";

  const TRUSTED = ["https://js.stripe.com", location.origin];
  const LOAD_SECONDS = 8;
  const find = (selector, from = document) => from.querySelector(selector);
  const on = (names, handle) => names.split(" ").forEach((name) => document.addEventListener(name, handle));

  /* Loading */

  let loading = null;

  const fetched = (url) => new Promise((resolve, reject) => {
    if (!TRUSTED.includes(new URL(url, location.href).origin)) return reject(new Error("Stripe.js comes from Stripe"));
    const script = document.createElement("script");
    script.src = url;
    script.onload = () => (window.Stripe ? resolve() : reject(new Error("no Stripe")));
    script.onerror = () => { script.remove(); reject(new Error("not loaded")); };
    document.head.append(script);
  });

  const inTime = (promise) => new Promise((resolve, reject) => {
    setTimeout(reject, LOAD_SECONDS * 1000, new Error("too slow"));
    promise.then(resolve, reject);
  });

  const made = new Map();

  const stripeOf = async ({ dataset }) => {
    if (!window.Stripe) {
      loading ||= fetched(dataset.fbStripeUrl).catch((error) => { loading = null; throw error; });
      await inTime(loading);
    }
    const key = dataset.fbStripeKey;
    if (!made.has(key)) made.set(key, window.Stripe(key, { locale: document.documentElement.lang || "auto" }));
    return made.get(key);
  };

  /* What a box says, and whether it is at work */

  const say = (box, text) => {
    const place = find("[data-fb-stripe-error]", box);
    if (!place) return;
    place.textContent = text || "";
    place.hidden = !text;
  };

  const work = async (form, box, steps) => {
    const buttons = form.querySelectorAll("button");
    const focused = document.activeElement;
    form.setAttribute("aria-busy", "true");
    buttons.forEach((button) => { button.disabled = true; });
    say(box, "");
    let problem;
    try {
      problem = await steps();
    } catch {
      problem = box.dataset.fbUnloaded;
    }
    form.removeAttribute("aria-busy");
    buttons.forEach((button) => { button.disabled = false; });
    if (problem !== undefined) {
      say(box, problem);
      if (document.activeElement === document.body) focused?.focus();
      return;
    }
    if (!form.isConnected) return;
    form.fbAgreed = true;
    form.requestSubmit();
  };

  /* A payment to confirm */

  const confirmed = async (box) => {
    const stripe = await stripeOf(box);
    const { fbClientSecret: clientSecret, fbReturnUrl, fbNeedsCard } = box.dataset;
    const [name, look, confirm] = clientSecret.startsWith("seti_")
      ? ["setupIntent", "retrieveSetupIntent", "confirmSetup"]
      : ["paymentIntent", "retrievePaymentIntent", "confirmPayment"];
    const found = await stripe[look](clientSecret);
    const intent = found[name];
    if (!intent) return found.error?.message || box.dataset.fbUnloaded;
    if (intent.status === "requires_payment_method") return fbNeedsCard;
    let result = found;
    if (intent.status === "requires_action") result = await stripe.handleNextAction({ clientSecret });
    if (intent.status === "requires_confirmation") {
      result = await stripe[confirm]({ clientSecret, confirmParams: { return_url: fbReturnUrl }, redirect: "if_required" });
    }
    return result.error ? result.error.message || box.dataset.fbUnloaded : undefined;
  };

  /* A card form */

  const mounted = new Map();

  /* A token as a colour or family that Stripe's frames understand. */
  const colour = (probe, token) => {
    probe.style.color = `var(--fb-${token})`;
    return getComputedStyle(probe).color;
  };

  const isDark = (rgb) => {
    const [red, green, blue] = (rgb.match(/[\d.]+/g) || [255, 255, 255]).map(Number);
    return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
  };

  const look = (form) => {
    const probe = form.appendChild(document.createElement("span"));
    const surface = colour(probe, "surface");
    const variables = {
      colorPrimary: colour(probe, "accent"), colorBackground: surface, colorText: colour(probe, "text"),
      colorTextSecondary: colour(probe, "muted"), colorDanger: colour(probe, "crit"),
      fontFamily: getComputedStyle(form).fontFamily, borderRadius: "8px",
    };
    probe.remove();
    return { theme: isDark(surface) ? "night" : "stripe", variables };
  };

  const fallBack = (form) => {
    const shown = find("[data-fb-fallback]", form.closest("[data-fb-card-box]"));
    const text = find("[data-fb-fallback-text]", shown);
    text.textContent = text.dataset.fbFallbackText;
    shown.dataset.fbShown = "";
    drop(form);
    form.hidden = true;
  };

  const mount = async (form) => {
    const state = {};
    mounted.set(form, state);
    const late = setTimeout(fallBack, LOAD_SECONDS * 1000, form);
    try {
      const stripe = await stripeOf(form);
      if (mounted.get(form) !== state) return;
      const elements = stripe.elements({ mode: "setup", currency: form.dataset.fbCurrency, appearance: look(form) });
      const element = elements.create("payment");
      Object.assign(state, { stripe, elements, element });
      element.on("loaderror", () => fallBack(form));
      element.on("ready", () => {
        state.ready = true;
        find("[data-fb-card-waiting]", form).hidden = true;
        find("[data-fb-card-place]", form).removeAttribute("aria-busy");
        clearTimeout(late);
      });
      element.mount(find("[data-fb-card-element]", form));
    } catch {
      if (mounted.get(form) === state) fallBack(form);
    }
    state.late = late;
  };

  const drop = (form) => {
    const state = mounted.get(form);
    if (!state) return;
    mounted.delete(form);
    clearTimeout(state.late);
    state.element?.destroy();
  };

  const mountAll = () => {
    [...mounted.keys()].filter((form) => !form.isConnected).forEach(drop);
    document.querySelectorAll("form[data-fb-card-form]:not([hidden])").forEach((form) => mounted.has(form) || mount(form));
  };

  const secretFor = async (form) => {
    const answer = await fetch(form.dataset.fbSetupUrl, {
      method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams(new FormData(form)),
    });
    const said = await answer.json();
    return answer.ok ? { secret: said.client_secret } : { problem: [said.title, said.detail].join(". ") };
  };

  const saved = async (form) => {
    const { fbUnloaded, fbFailed, fbReturnUrl } = form.dataset;
    const state = mounted.get(form);
    if (!state?.ready) return fbUnloaded;
    const checked = await state.elements.submit();
    /* Stripe says at its fields what is wrong there. */
    if (checked.error) return checked.error.type === "validation_error" ? "" : checked.error.message || fbFailed;
    try {
      /* After a decline the same intent takes another card. */
      if (!state.secret) {
        const { secret, problem } = await secretFor(form);
        if (!secret) return problem;
        state.secret = secret;
      }
    } catch {
      return fbFailed;
    }
    const { error, setupIntent } = await state.stripe.confirmSetup({
      elements: state.elements, clientSecret: state.secret, confirmParams: { return_url: fbReturnUrl }, redirect: "if_required",
    });
    /* A form that was sent again, because its first answer was lost, finds the card saved. */
    const done = setupIntent || (error.setup_intent?.status === "succeeded" && error.setup_intent);
    if (!done) return error.message || fbFailed;
    form.elements.setup_intent.value = done.id;
    return undefined;
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.fbAgreed) {
      form.fbAgreed = false;
      return;
    }
    const box = form.closest("[data-fb-confirm-payment]");
    const card = form.matches("[data-fb-card-form]");
    if (!box && !card) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!form.hasAttribute("aria-busy")) work(form, box || form, card ? () => saved(form) : () => confirmed(box));
  }, true);

  on("htmx:before:cleanup htmx:beforeCleanupElement", ({ target }) => drop(target));
  on("htmx:after:settle htmx:afterSettle", mountAll);
  mountAll();
})();
