// The time range: picker, from and to, zoom and address are one choice. And times in UTC, or local on request.
(function () {
  "use strict";
  var c = window.checkrein;
  var keep = function () { return window.dash_clientside.no_update; };
  var before = []; // ranges that were zoomed away from
  var zone = "UTC";

  function element(id) { return document.getElementById(id); }
  function choose(span) { window.dash_clientside.set_props("span", { data: span }); }
  function two(number) { return String(number).padStart(2, "0"); }
  function local() { return zone !== "UTC"; }

  // "2026-01-31 14:00", in UTC or in the browser's zone.
  function written(milliseconds) {
    var at = new Date(milliseconds);
    var shifted = local() ? new Date(milliseconds - at.getTimezoneOffset() * 60000) : at;
    return shifted.toISOString().slice(0, 16).replace("T", " ");
  }
  function read(text) {
    var parts = /^\s*(\d{4})-(\d\d?)-(\d\d?)(?:[T ]+(\d\d?):(\d\d)(?::\d\d(?:\.\d+)?)?)?\s*(Z|UTC)?\s*$/i.exec(text || "");
    if (parts === null) { return NaN; }
    var n = parts.slice(1, 6).map(function (part) { return Number(part || 0); });
    if (n[1] < 1 || n[1] > 12 || n[2] < 1 || n[2] > 31 || n[3] > 24 || n[4] > 59) { return NaN; }
    if (local() && !parts[6]) { return new Date(n[0], n[1] - 1, n[2], n[3], n[4]).getTime(); }
    return Date.UTC(n[0], n[1] - 1, n[2], n[3], n[4]);
  }
  function span(from, to) {
    return [from, to].map(function (at) { return new Date(at).toISOString().slice(0, 16) + "Z"; }).join("/");
  }
  // What the charts show now, milliseconds.
  function shown() {
    var chart = Array.from(document.querySelectorAll(".js-plotly-plot")).find(dated);
    if (!chart) { return [c.now() * 1000 - 21600000, c.now() * 1000]; }
    return chart.layout.xaxis.range.map(instant);
  }
  // An axis carries what a clock of the shown zone shows, without the zone's name.
  function instant(value) { return read(String(value).slice(0, 16)); }
  function fill(range) {
    ["from", "to"].forEach(function (name, place) {
      window.dash_clientside.set_props("range-" + name, { value: written(range[place]) });
    });
  }

  // ---- picker and inputs
  c.pick = function (name, old) {
    if (!name || name === old) { return keep(); }
    if (name !== "custom") { before = []; return name; }
    if (old.indexOf("/") < 0) { fill(shown()); element("between").hidden = false; element("range-from").focus(); }
    return keep();
  };
  c.follow = function (chosen) {
    var pair = chosen.split("/");
    var custom = pair.length === 2;
    if (custom) { fill(pair.map(function (text) { return Date.parse(text); })); }
    element("between").hidden = !custom;
    element("range-wrong").textContent = "";
    c.address(custom ? { range: "", from: pair[0], to: pair[1] } : { range: chosen, from: "", to: "" });
    var name = custom ? "custom" : chosen;
    var picked = document.querySelector(".range input:checked");
    if (!picked || picked.value !== name) { window.dash_clientside.set_props("range", { value: name }); }
    return keep();
  };
  function show() {
    var from = read(element("range-from").value), to = read(element("range-to").value);
    var wrong = "";
    if (isNaN(from) || isNaN(to)) { wrong = "Write " + (isNaN(from) ? "From" : "to") + " as 2026-01-31 14:00."; }
    else if (to - from < 60000) { wrong = "The end must come after the beginning."; }
    element("range-wrong").textContent = wrong;
    if (wrong === "") { choose(span(from, to)); }
  }
  document.addEventListener("click", function (event) { if (event.target.id === "range-show") { show(); } });
  document.addEventListener("keydown", function (event) {
    if (event.key === "Enter" && /^range-(from|to)$/.test(event.target.id)) { show(); }
  });

  // ---- zooming one chart chooses the range of all; what was before comes back with a double click or a key
  function dated(chart) { return chart.on && chart.layout && chart.layout.xaxis && chart.layout.xaxis.type === "date"; }
  c.link = function () {
    document.querySelectorAll(".js-plotly-plot").forEach(function (chart) {
      if (chart.dataset.linked || !dated(chart)) { return; }
      chart.dataset.linked = "yes";
      chart.on("plotly_relayout", function (change) { zoomed(chart, change); });
      chart.on("plotly_doubleclick", c.back);
    });
    inputs();
  };
  function zoomed(from, change) {
    if (change["xaxis.range[0]"] === undefined || !element("between")) { return; }
    var range = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    document.querySelectorAll(".js-plotly-plot[data-linked]").forEach(function (chart) {
      if (chart !== from && dated(chart)) { window.Plotly.relayout(chart, { "xaxis.range": range.slice() }); }
    });
    var pair = range.map(instant);
    if (pair[1] - pair[0] < 120000) { pair[1] = pair[0] + 120000; }
    before.push(current());
    choose(span(pair[0], pair[1]));
  }
  function current() {
    var asked = new URL(location.href).searchParams;
    var picked = document.querySelector(".range input:checked");
    if (asked.get("from") && asked.get("to")) { return asked.get("from") + "/" + asked.get("to"); }
    return picked ? picked.value : "6h";
  }
  c.back = function () { if (before.length) { choose(before.pop()); } };

  // ---- UTC, or local on request
  function inputs() {
    var word = element("range-zone");
    if (!word || word.dataset.zone === zone) { return; }
    word.dataset.zone = zone;
    word.textContent = c.named(Date.now());
    var asked = new URL(location.href).searchParams;
    if (asked.get("from") && asked.get("to")) { fill([Date.parse(asked.get("from")), Date.parse(asked.get("to"))]); }
  }
  c.zone = function (chosen) {
    zone = chosen || "UTC";
    inputs();
    return "The product's clock. Times are " + (local() ? "local: press for UTC" : "UTC: press for local");
  };
  c.other = function () {
    return local() ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  };
  c.named = function (milliseconds) {
    if (!local()) { return "UTC"; }
    var minutes = -new Date(milliseconds).getTimezoneOffset();
    var size = Math.abs(minutes);
    return "UTC" + (minutes < 0 ? "−" : "+") + Math.floor(size / 60) + (size % 60 ? ":" + two(size % 60) : "");
  };
  // "2026-01-31 14:00:05 UTC+1"
  c.absolute = function (seconds) {
    var at = new Date(seconds * 1000);
    var shifted = local() ? new Date(at.getTime() - at.getTimezoneOffset() * 60000) : at;
    return shifted.toISOString().slice(0, 19).replace("T", " ") + " " + c.named(at.getTime());
  };
})();
