// Posts the provider's messages to the page around the frame; alone in its tab it goes back by redirect.
"use strict";
(() => {
  const card = document.querySelector("main");
  const form = document.getElementById("payment");
  const framed = window.parent !== window;
  const link = new URLSearchParams(location.search);
  // In a frame the page speaks to the origin of its address alone, and to nobody without one.
  const heard = framed && ["embedded", "overlay"].includes(link.get("mode")) ? link.get("origin") : null;
  const post = (message) => { if (heard) window.parent.postMessage(message, heard); };
  const event = (type) => ({ eventData: { type, data: {}, isOnramp: true } });
  try {
    // The shop's colours come in the name of the frame.
    const theme = JSON.parse(window.name);
    const dark = theme["theme-default"] === "darkMode";
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    const colour = theme[dark ? "theme-dark-baseColor" : "theme-light-baseColor"];
    if (/^#[0-9a-f]{6}$/i.test(colour)) document.documentElement.style.setProperty("--brand", colour);
  } catch { /* No name, or not the shop's: the page keeps its own colours. */ }
  if (card.dataset.failed) { post(event("ONRAMP_WIDGET_FAILED")); return; }

  const byId = (id) => document.getElementById(id);
  const amount = byId("amount"), method = byId("method"), estimate = byId("estimate"), problem = byId("problem");
  const vocabulary = card.dataset.vocabulary;
  const call = async (path, extra) => {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ query: location.search, fiatAmount: amount.value, paymentMethod: method.value, ...extra }),
    });
    const content = await answer.json();
    if (!answer.ok) throw new Error(content.error);
    return content;
  };

  let asked = 0;
  const showEstimate = async () => {
    const mine = ++asked;
    try {
      const content = await call("/main/buy/estimate", {});
      if (mine === asked) { estimate.textContent = content.text; problem.textContent = ""; }
    } catch (error) {
      if (mine === asked) { estimate.textContent = "–"; problem.textContent = error.message; }
    }
  };

  let posted = 0, lastStatus = null;
  const follow = async (orderId) => {
    const answer = await fetch(`/main/buy/orders/${orderId}?vocabulary=${vocabulary}`);
    const content = await answer.json();
    if (content.status !== lastStatus) {
      const item = document.createElement("li");
      item.textContent = content.text;
      byId("steps").append(item);
      lastStatus = content.status;
    }
    content.messages.slice(posted).forEach(post);
    posted = content.messages.length;
    if (content.redirect) { byId("back").href = content.redirect; byId("back").hidden = framed; }
    if (content.finished) byId("end").textContent = content.delivered ? "Done. You can close this page." : "This payment has ended.";
    if (!content.finished) setTimeout(() => follow(orderId).catch(() => follow(orderId)), 300);
    else if (content.redirect && !framed) location.assign(content.redirect);
  };

  const begin = async (action) => {
    const buttons = form.querySelectorAll("button");
    buttons.forEach((button) => { button.disabled = true; });
    try {
      const content = await call("/main/buy/orders", { action });
      form.hidden = true;
      byId("progress").hidden = false;
      byId("order").textContent = content.orderId;
      await follow(content.orderId);
    } catch (error) {
      problem.textContent = error.message;
      buttons.forEach((button) => { button.disabled = false; });
    }
  };

  form.addEventListener("submit", (submitted) => { submitted.preventDefault(); begin("pay"); });
  form.querySelectorAll("[data-action]").forEach((button) => button.addEventListener("click", () => begin(button.dataset.action)));
  amount.addEventListener("input", showEstimate);
  method.addEventListener("change", showEstimate);
  showEstimate();
  post(event("ONRAMP_WIDGET_READY"));
})();
