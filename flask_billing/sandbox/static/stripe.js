/* The sandbox's stand-in for Stripe.js: window.Stripe with the calls that card forms use.

   It has no dependencies, writes no inline style or script, and opens no frame, so it runs under
   any policy that allows scripts and requests of the sandbox's own origin. Fields stand in a
   shadow root: no form sends them along, and no stylesheet of the page reaches them. Numbers go
   to the sandbox's API with the publishable key, as Stripe's go to Stripe.

   What a person does wrong resolves as {error: {type, code, message}}; only a call that no page
   should make throws, as an IntegrationError. */
(() => {
  "use strict";

  const TRAIN = "endive";
  const base = document.currentScript.src.replace(/\/endive\/stripe\.js.*$/, "");

  class IntegrationError extends Error {
    constructor(message) {
      super(message);
      this.name = "IntegrationError";
    }
  }

  /* The API */

  const flat = (value, name, into) => {
    if (value === undefined || value === null) return into;
    if (typeof value !== "object") into.append(name, value);
    else Object.entries(value).forEach(([key, part]) => flat(part, name ? `${name}[${key}]` : key, into));
    return into;
  };

  const call = async (key, method, path, params) => {
    const form = flat(params, "", new URLSearchParams());
    const address = `${base}${path}${method === "GET" ? `?${form}` : ""}`;
    const headers = { Authorization: `Bearer ${key}` };
    try {
      const answer = await fetch(address, { method, headers, credentials: "omit", body: method === "GET" ? undefined : form });
      return await answer.json();
    } catch {
      return { error: { type: "api_connection_error", message: "We are experiencing issues connecting to our payments provider. You have not been charged. Please check your internet connection and try again." } };
    }
  };

  const KINDS = { setup_intent: ["setupIntent", "setup_intents"], payment_intent: ["paymentIntent", "payment_intents"] };

  /* "seti_1_secret_x" -> what it is, its id, and where it is found. */
  const read = (clientSecret) => {
    const [, id] = /^((?:seti|pi)_\w+?)_secret_\w+$/.exec(String(clientSecret)) || [];
    if (!id) throw new IntegrationError("Invalid value for clientSecret: it should look like seti_..._secret_... or pi_..._secret_...");
    const kind = id.startsWith("seti_") ? "setup_intent" : "payment_intent";
    return { kind, id, clientSecret, path: `/v1/${KINDS[kind][1]}/${id}` };
  };

  const answered = (intent, found) => (found.error ? { error: found.error } : { [KINDS[intent.kind][0]]: found });

  /* Looks, in shadow roots: constructed sheets are no inline style. */

  const LOOK = `
    :host { display: block; font: 400 16px/1.5 var(--font, inherit); color: var(--text, inherit); }
    * { box-sizing: border-box; }
    .fields { display: grid; grid-template-columns: 1fr 1fr; gap: 12px; }
    .field { display: grid; gap: 4px; grid-column: span 2; min-width: 0; align-content: start; }
    .field.half { grid-column: span 1; }
    label { font-size: 14px; }
    input, select { width: 100%; min-height: 40px; padding: 8px 12px; font: inherit; color: var(--text, inherit); background: var(--ground, transparent);
      border: 1px solid var(--edge, #868d9b); border-radius: var(--radius, 8px); }
    :focus-visible { outline: 2px solid var(--primary, currentColor); outline-offset: 2px; }
    [aria-invalid] { border-color: var(--danger, #b91c1c); }
    .error { margin: 0; font-size: 14px; color: var(--danger, #b91c1c); }
    .picks { grid-column: span 2; display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: baseline; margin: 0; font-size: 13px; color: var(--quiet, inherit); }
    .picks button { min-height: 24px; padding: 0; font: inherit; color: var(--primary, inherit); background: none; border: 0; text-decoration: underline; cursor: pointer; }
    dialog { width: min(27rem, 100vw - 32px); padding: 24px; color: CanvasText; background: Canvas; border: 1px solid GrayText; border-radius: 12px; font: 16px/1.5 system-ui, sans-serif; color-scheme: light dark; }
    dialog::backdrop { background: rgb(10 14 22 / 50%); }
    dialog h1 { margin: 0 0 8px; font-size: 20px; }
    dialog p { margin: 0 0 12px; }
    dialog form { display: flex; flex-wrap: wrap; gap: 8px; }
    dialog button { min-height: 40px; padding: 8px 16px; font: inherit; color: inherit; background: transparent; border: 1px solid currentColor; border-radius: 8px; cursor: pointer; }
    dialog button[value=complete] { color: Canvas; background: CanvasText; }
    [hidden] { display: none; }
    @media (max-width: 20rem) { .field.half { grid-column: span 2; } }`;

  const VARIABLES = {
    colorPrimary: "--primary", colorText: "--text", colorTextSecondary: "--quiet", colorBackground: "--ground",
    colorDanger: "--danger", borderRadius: "--radius", fontFamily: "--font",
  };

  const sheet = (text) => {
    const made = new CSSStyleSheet();
    made.replaceSync(text);
    return made;
  };

  const dressed = (root, appearance) => {
    const set = Object.entries(appearance?.variables || {}).filter(([name]) => VARIABLES[name]);
    const values = set.map(([name, value]) => `${VARIABLES[name]}: ${value};`).join(" ");
    root.adoptedStyleSheets = [sheet(LOOK), sheet(`:host { ${values} }`)];
  };

  const make = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    Object.entries(attributes).forEach(([key, value]) => {
      if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
    });
    made.append(...children);
    return made;
  };

  /* Fields of the elements: each says what is wrong with what was typed. */

  const digits = (text) => text.replace(/\D/g, "");

  const passesLuhn = (number) => [...number].reverse().reduce((sum, digit, place) => {
    const value = Number(digit) * (place % 2 ? 2 : 1);
    return sum + (value > 9 ? value - 9 : value);
  }, 0) % 10 === 0;

  const CARD_FIELDS = [
    { name: "number", label: "Card number", autocomplete: "cc-number", placeholder: "1234 1234 1234 1234", maxlength: 23,
      shape: (text) => digits(text).slice(0, 19).replace(/(.{4})(?=.)/g, "$1 "),
      wrong: (text) => (digits(text).length < 14 ? ["incomplete_number", "Your card number is incomplete."]
        : !passesLuhn(digits(text)) && ["invalid_number", "Your card number is invalid."]) },
    { name: "expiry", label: "Expiration date", autocomplete: "cc-exp", placeholder: "MM / YY", maxlength: 7, half: true,
      shape: (text) => digits(text).slice(0, 4).replace(/^([2-9])$/, "0$1").replace(/^(\d\d)(?=\d)/, "$1 / "),
      wrong: (text) => (digits(text).length < 4 ? ["incomplete_expiry", "Your card's expiration date is incomplete."]
        : !/^(0[1-9]|1[0-2])/.test(digits(text)) && ["invalid_expiry_month", "Your card's expiration date is invalid."]) },
    { name: "cvc", label: "Security code", autocomplete: "cc-csc", placeholder: "CVC", maxlength: 4, half: true,
      shape: (text) => digits(text).slice(0, 4),
      wrong: (text) => digits(text).length < 3 && ["incomplete_cvc", "Your card's security code is incomplete."] },
  ];

  /* Where the API's errors belong, by the parameter they name. */
  const PLACES = { number: "number", exp_month: "expiry", exp_year: "expiry", cvc: "cvc" };

  const PICKS = [["Pays", "4242424242424242"], ["Asks for 3-D Secure", "4000002500003155"], ["Is declined", "4000000000000002"]];

  const needed = (label) => (text) => !text.trim() && ["incomplete_address", `${label} is missing.`];
  const asTyped = (text) => text;

  const ADDRESS_FIELDS = [
    { name: "name", label: "Full name", autocomplete: "billing name", wrong: needed("Your name") },
    { name: "line1", label: "Address line 1", autocomplete: "billing address-line1", wrong: needed("The street") },
    { name: "line2", label: "Address line 2 (optional)", autocomplete: "billing address-line2", wrong: () => false },
    { name: "city", label: "City", autocomplete: "billing address-level2", half: true, wrong: needed("The city") },
    { name: "postal_code", label: "Postal code", autocomplete: "billing postal-code", half: true, wrong: () => false },
    { name: "state", label: "State or region (optional)", autocomplete: "billing address-level1", half: true, wrong: () => false },
    { name: "country", label: "Country", autocomplete: "billing country", half: true, maxlength: 2, placeholder: "US",
      shape: (text) => text.toUpperCase().slice(0, 2), wrong: (text) => !/^[A-Z]{2}$/.test(text) && ["incomplete_address", "The country is missing."] },
  ].map((field) => ({ shape: asTyped, maxlength: 200, ...field }));

  let count = 0;

  class Element {
    constructor(elements, type, options) {
      this._elements = elements;
      this._type = type;
      this._options = options || {};
      this._listeners = {};
      this._fields = type === "address" ? ADDRESS_FIELDS : CARD_FIELDS;
      this._values = this._defaults();
    }

    _defaults() {
      const given = this._options.defaultValues || {};
      const values = { name: given.name, ...given.address };
      return Object.fromEntries(this._fields.map(({ name }) => [name, (this._type === "address" && values[name]) || ""]));
    }

    mount(where) {
      const place = typeof where === "string" ? document.querySelector(where) : where;
      if (this._destroyed) throw new IntegrationError("This Element has already been destroyed. Please create a new one.");
      if (!place?.isConnected) throw new IntegrationError("Invalid value for mount(): the DOM element must be in the page.");
      this.unmount();
      this._host = make("div", { class: "StripeElement", "data-sandbox-element": this._type });
      const root = this._host.attachShadow({ mode: "open" });
      dressed(root, this._elements._options.appearance);
      root.append(this._drawn());
      place.replaceChildren(this._host);
      this._emit("loaderstart");
      const host = this._host;
      setTimeout(() => host === this._host && this._emit("ready"));
      return this;
    }

    unmount() {
      this._host?.remove();
      this._host = null;
      return this;
    }

    destroy() {
      this.unmount();
      this._destroyed = true;
      this._elements._forget(this);
      return this;
    }

    on(event, listener) {
      (this._listeners[event] ||= []).push(listener);
      return this;
    }

    once(event, listener) {
      const first = (value) => { this.off(event, first); listener(value); };
      return this.on(event, first);
    }

    off(event, listener) {
      this._listeners[event] = listener ? (this._listeners[event] || []).filter((one) => one !== listener) : [];
      return this;
    }

    update(options) { this._options = { ...this._options, ...options }; return this; }
    focus() { this._input(this._fields[0].name)?.focus(); return this; }
    blur() { this._host?.shadowRoot.activeElement?.blur(); return this; }
    collapse() { return this; }

    clear() {
      this._fill(Object.fromEntries(this._fields.map(({ name }) => [name, ""])));
      return this;
    }

    async getValue() {
      if (this._type !== "address") throw new IntegrationError("Only the address element has getValue().");
      const { name, ...address } = this._values;
      const given = Object.fromEntries(Object.entries(address).map(([key, value]) => [key, value || null]));
      return { complete: !this._wrong(), isNewAddress: true, value: { name, address: given } };
    }

    _emit(event, more) {
      (this._listeners[event] || []).slice().forEach((listener) => listener({ elementType: this._type, ...more }));
    }

    _input(name) { return this._host?.shadowRoot.querySelector(`[name="${name}"]`); }

    _drawn() {
      const box = make("div", { class: "fields" });
      this._fields.forEach((field) => box.append(this._drawnField(field)));
      if (this._type === "payment") {
        const picks = make("p", { class: "picks" }, "Sandbox card:");
        PICKS.forEach(([words, number]) => {
          const button = make("button", { type: "button" }, words);
          button.addEventListener("click", () => this._fill({ number, expiry: "1234", cvc: "123" }));
          picks.append(button);
        });
        box.append(picks);
      }
      return box;
    }

    _drawnField(field) {
      const id = `stripe-${field.name}-${(count += 1)}`;
      const numeric = this._type === "payment";
      const input = make("input", {
        id, name: field.name, autocomplete: field.autocomplete, placeholder: field.placeholder, maxlength: field.maxlength,
        inputmode: numeric && "numeric", "aria-describedby": `${id}-error`,
      });
      input.value = this._values[field.name];
      input.addEventListener("input", () => {
        input.value = field.shape(input.value);
        this._values[field.name] = input.value;
        this._say(field.name, "");
        this._changed();
      });
      input.addEventListener("focus", () => this._emit("focus"));
      input.addEventListener("blur", () => this._emit("blur"));
      input.addEventListener("keydown", (event) => event.key === "Escape" && this._emit("escape"));
      return make("div", { class: field.half ? "field half" : "field" },
        make("label", { for: id }, field.label), input, make("p", { id: `${id}-error`, class: "error", hidden: true }));
    }

    _fill(values) {
      Object.entries(values).forEach(([name, value]) => {
        const input = this._input(name);
        if (!input) return;
        input.value = value;
        input.dispatchEvent(new Event("input"));
      });
    }

    _changed() {
      const value = this._type === "payment" ? { type: "card" } : undefined;
      this._emit("change", { complete: !this._wrong(), empty: Object.values(this._values).every((text) => !text), collapsed: false, value });
    }

    /* The first mistake, as an error object. */
    _wrong() {
      for (const { name, wrong } of this._fields) {
        const found = wrong(this._values[name]);
        if (found) return { type: "validation_error", code: found[0], message: found[1], _field: name };
      }
      return null;
    }

    _say(name, text) {
      const input = this._input(name);
      if (!input) return;
      const place = this._host.shadowRoot.getElementById(input.getAttribute("aria-describedby"));
      place.textContent = text;
      place.hidden = !text;
      if (text) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }

    _check() {
      this._fields.forEach(({ name, wrong }) => this._say(name, (wrong(this._values[name]) || [])[1] || ""));
      const found = this._wrong();
      if (!found) return null;
      this._input(found._field)?.focus();
      delete found._field;
      return found;
    }

    /* What was typed, as payment_method_data. */
    _card() {
      const expiry = digits(this._values.expiry);
      return {
        type: "card",
        card: { number: digits(this._values.number), exp_month: Number(expiry.slice(0, 2)), exp_year: 2000 + Number(expiry.slice(2)), cvc: this._values.cvc },
      };
    }

    _refused(error) {
      const place = PLACES[error?.param] || (error?.code === "incorrect_number" && "number") || (error?.code === "incorrect_cvc" && "cvc");
      if (place && this._type === "payment") this._say(place, error.message);
    }
  }

  class Elements {
    constructor(options) {
      this._options = options;
      this._made = [];
      this._submitted = Boolean(options.clientSecret);
    }

    create(type, options) {
      if (!["payment", "address"].includes(type)) throw new IntegrationError(`The sandbox has the elements payment and address, and not ${type}.`);
      if (this.getElement(type)) throw new IntegrationError(`Can only create one Element of type ${type}.`);
      const made = new Element(this, type, options);
      this._made.push(made);
      return made;
    }

    getElement(type) { return this._made.find((one) => one._type === type) || null; }

    async submit() {
      const wrong = this._made.filter((one) => one._host).map((one) => one._check()).find(Boolean);
      if (wrong) return { error: wrong };
      this._submitted = true;
      return { selectedPaymentMethod: "card" };
    }

    update(options) {
      this._options = { ...this._options, ...options };
      this._made.forEach((one) => one._host && dressed(one._host.shadowRoot, this._options.appearance));
    }

    async fetchUpdates() { return {}; }

    _forget(element) { this._made = this._made.filter((one) => one !== element); }
  }

  /* The bank's page, in a dialog over the page. Closing it is not proving anything. */

  const asked = async (intent) => {
    const address = `${base}/3ds/${intent.id}`;
    const answer = await fetch(`${address}?${new URLSearchParams({ client_secret: intent.clientSecret })}`, { credentials: "omit" });
    const shown = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    const host = make("div", { "data-sandbox-bank": true });
    const root = host.attachShadow({ mode: "open" });
    const dialog = make("dialog", { "aria-label": "Confirm with your bank" }, ...shown.querySelector("section").children);
    dressed(root);
    root.append(dialog);
    document.body.append(host);
    const outcome = await new Promise((resolve) => {
      dialog.addEventListener("submit", (event) => { event.preventDefault(); resolve(event.submitter?.value); });
      dialog.addEventListener("cancel", () => resolve("fail"));
      dialog.showModal();
    });
    host.remove();
    const body = new URLSearchParams({ client_secret: intent.clientSecret, answer: outcome || "fail" });
    /* It answers with a redirect, which nobody here follows. */
    await fetch(address, { method: "POST", body, credentials: "omit", redirect: "manual" });
  };

  class Sandbox {
    constructor(key, options) {
      this._key = key;
      this._options = options || {};
    }

    elements(options = {}) {
      if (!options.clientSecret && !options.mode) throw new IntegrationError("elements() needs a mode, or a clientSecret.");
      if (options.clientSecret) read(options.clientSecret);
      return new Elements(options);
    }

    confirmSetup(options) { return this._confirm("setup_intent", options); }
    confirmPayment(options) { return this._confirm("payment_intent", options); }

    retrieveSetupIntent(clientSecret) { return this._retrieve(clientSecret); }
    retrievePaymentIntent(clientSecret) { return this._retrieve(clientSecret); }

    async handleNextAction({ clientSecret } = {}) {
      const intent = read(clientSecret);
      const found = await this._found(intent);
      if (found.error) return { error: found.error };
      if (found.status !== "requires_action") {
        return { error: { type: "invalid_request_error", code: `${intent.kind}_unexpected_state`, message: `The intent is ${found.status} and waits for no action.` } };
      }
      return this._acted(intent);
    }

    async createPaymentMethod({ elements, params, type, card, billing_details: billing } = {}) {
      const typed = elements ? elements.getElement("payment") : card;
      const wrong = typed instanceof Element ? typed._check() : null;
      if (wrong) return { error: wrong };
      const given = typed instanceof Element ? typed._card() : { type, card };
      const made = await call(this._key, "POST", "/v1/payment_methods", { ...given, billing_details: params?.billing_details || billing });
      return made.error ? { error: made.error } : { paymentMethod: made };
    }

    _registerWrapper() {}
    registerAppInfo() {}

    _found(intent) { return call(this._key, "GET", intent.path, { client_secret: intent.clientSecret }); }

    async _retrieve(clientSecret) {
      const intent = read(clientSecret);
      return answered(intent, await this._found(intent));
    }

    async _confirm(kind, { elements, clientSecret, confirmParams = {}, redirect = "always" } = {}) {
      const intent = read(clientSecret || elements?._options.clientSecret);
      if (intent.kind !== kind) throw new IntegrationError(`This clientSecret belongs to a ${intent.kind}.`);
      if (!confirmParams.return_url && redirect !== "if_required") throw new IntegrationError("confirmParams.return_url is needed.");
      const element = elements?.getElement("payment");
      if (elements && !elements._submitted) throw new IntegrationError("elements.submit() must be called before confirming.");
      const wrong = element?._check();
      if (wrong) return { error: wrong };
      const { payment_method_data: more, ...params } = confirmParams;
      const found = await call(this._key, "POST", `${intent.path}/confirm`, {
        use_stripe_sdk: true, ...params, client_secret: intent.clientSecret,
        payment_method_data: element && { ...element._card(), billing_details: await this._billing(elements, more) },
      });
      element?._refused(found.error);
      const result = found.status === "requires_action" ? await this._acted(intent) : answered(intent, found);
      if (!result.error && redirect === "always") return this._left(intent, confirmParams.return_url);
      return result;
    }

    async _billing(elements, more) {
      const address = elements.getElement("address");
      const given = address ? (await address.getValue()).value : {};
      return { ...given, ...more?.billing_details };
    }

    /* The bank has the person prove that the card is theirs; then the intent says how it went. */
    async _acted(intent) {
      try {
        await asked(intent);
      } catch {
        return { error: { type: "api_connection_error", message: "The bank's page could not be reached. You have not been charged." } };
      }
      const found = await this._found(intent);
      const error = found.last_setup_error || found.last_payment_error;
      if (!found.error && found.status === "requires_payment_method" && error) return { error };
      return answered(intent, found);
    }

    _left(intent, to) {
      const url = new URL(to, location.href);
      url.searchParams.set(intent.kind, intent.id);
      url.searchParams.set(`${intent.kind}_client_secret`, intent.clientSecret);
      url.searchParams.set("redirect_status", "succeeded");
      location.assign(url);
      return new Promise(() => {}); /* the page is going away */
    }
  }

  window.Stripe = function Stripe(key, options) {
    if (!/^pk_test_\w+$/.test(key || "")) throw new IntegrationError("Please call Stripe() with a publishable key of the test mode. You used something else.");
    return new Sandbox(key, options);
  };
  window.Stripe.version = TRAIN;
})();
