/* Shows a text while it is written, and lets the meters look again when it is done. */
(() => {
  "use strict";

  document.addEventListener("click", async (event) => {
    const button = event.target instanceof Element && event.target.closest("[data-live]");
    if (!button || !button.form.reportValidity()) return;
    event.preventDefault();
    const { form } = button;
    const sheet = document.createElement("article");
    sheet.className = "sheet";
    const look = () => document.body.dispatchEvent(new CustomEvent("billing:usage"));
    const draft = document.getElementById("draft");
    const said = document.getElementById("said");
    said.textContent = "";
    button.disabled = true;
    try {
      const answer = await fetch(button.formAction, { method: "POST", body: new FormData(form), headers: { "HX-Request": "true" } });
      if (answer.status === 429) {
        draft.innerHTML = await answer.text(); // the way out, as htmx would put it there
        return;
      }
      draft.replaceChildren(sheet);
      if (!answer.ok) {
        sheet.append(Object.assign(document.createElement("p"), { textContent: "This couldn't be written." }));
        return;
      }
      look();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        rest += value || "";
        const parts = rest.split("\n\n");
        rest = parts.pop();
        parts.forEach((text) => sheet.append(Object.assign(document.createElement("p"), { textContent: text })));
        if (done) break;
      }
      said.textContent = "Your draft is ready.";
      htmx.ajax("GET", location.pathname, { target: "#drafts", select: "#drafts", swap: "outerHTML" });
    } finally {
      button.disabled = false;
      form.elements.key.value = crypto.randomUUID().replaceAll("-", "");
      look();
    }
  });
})();
