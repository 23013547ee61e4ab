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
    button.disabled = true;
    try {
      const answer = await fetch(button.formAction, { method: "POST", body: new FormData(form), headers: { Accept: "application/json" } });
      document.getElementById("draft").replaceChildren(sheet);
      if (!answer.ok) {
        const problem = answer.headers.get("Content-Type")?.includes("json") ? await answer.json() : {};
        sheet.append(Object.assign(document.createElement("p"), { textContent: [problem.title, problem.detail].filter(Boolean).join(" ") || "This couldn't be written." }));
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
      document.getElementById("said").textContent = "Your draft is ready.";
    } finally {
      button.disabled = false;
      form.elements.key.value = crypto.randomUUID().replaceAll("-", "");
      look();
    }
  });
})();
