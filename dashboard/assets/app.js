// What the browser does by itself: the clock between two answers, keys, filter, pausing in hidden tabs.
(function () {
  "use strict";
  var c = window.checkrein;
  var clock = null; // { now, speed, at }: the product's time, never the browser's
  var paused = false;
  var UNITS = [["d", 86400], ["h", 3600], ["min", 60]];

  function now() {
    return clock === null ? null : clock.now + ((performance.now() - clock.at) / 1000) * clock.speed;
  }

  // People are woken by the machine's clock, which a log that is replayed does not follow.
  function real() {
    return clock === null || !clock.real ? null : clock.real + (performance.now() - clock.at) / 1000;
  }

  function length(seconds) {
    for (var i = 0; i < UNITS.length; i++) {
      if (seconds >= UNITS[i][1]) {
        return (seconds / UNITS[i][1]).toFixed(UNITS[i][0] === "min" ? 0 : 1) + " " + UNITS[i][0];
      }
    }
    return Math.floor(seconds) + " s";
  }

  c.now = now;
  c.beat = function (pulse) {
    if (pulse) {
      clock = { now: pulse.now, speed: pulse.speed, real: pulse.real, at: performance.now() };
      document.title = pulse.title;
    }
    return window.dash_clientside.no_update;
  };

  c.pause = function () {
    paused = !paused;
    rest();
    var button = document.getElementById("pause");
    button.setAttribute("aria-pressed", String(paused));
    return paused ? "Go on" : "Pause";
  };

  // Merges into the address and does nothing when that changes nothing; no second page load.
  c.address = function (values) {
    var address = new URL(location.href);
    Object.keys(values).forEach(function (name) {
      if (values[name]) { address.searchParams.set(name, values[name]); } else { address.searchParams.delete(name); }
    });
    if (address.href !== location.href) { history.replaceState(history.state, "", address); }
    return window.dash_clientside.no_update;
  };

  function rest() {
    window.dash_clientside.set_props("beat", { disabled: paused || document.hidden });
  }
  document.addEventListener("visibilitychange", rest);

  // ---- once a second: relative times, clock, connection, filter, where we are
  function relative(name, t) {
    document.querySelectorAll("time[data-" + name + "]").forEach(function (element) {
      var at = Number(element.dataset[name]), age = t - at;
      var text = age < 0 ? "in " + length(-age) : length(age) + " ago";
      if (element.firstChild && element.firstChild.nodeValue !== text) { element.firstChild.nodeValue = text; }
      element.title = c.absolute(at);
    });
  }

  function times() {
    var t = now();
    if (t === null) { return; }
    relative("at", t);
    relative("real", real());
    var shown = document.getElementById("now");
    if (shown) { shown.textContent = c.absolute(t).slice(11); }
  }

  function connection() {
    var line = document.getElementById("offline");
    if (!line) { return; }
    var silent = (performance.now() - c.answered) / 1000;
    var lost = c.failures >= 2 && silent > 4;
    line.hidden = !lost;
    document.body.classList.toggle("is-offline", lost);
    if (lost) { line.textContent = "▲ The server has not answered for " + length(silent) + ". What you see is from before that."; }
  }

  function filter() {
    var field = document.getElementById("filter");
    var wanted = field ? field.value.trim().toLowerCase() : "";
    document.querySelectorAll("[data-row]").forEach(function (row) {
      row.hidden = wanted !== "" && row.dataset.row.toLowerCase().indexOf(wanted) < 0;
    });
  }

  var place = location.pathname;
  function here() {
    if (place !== location.pathname) { // what was done on the page before is no news here
      place = location.pathname;
      window.dash_clientside.set_props("said", { children: "" });
    }
    document.querySelectorAll("a.nav").forEach(function (link) {
      var path = new URL(link.href).pathname;
      var under = path !== "/" && (location.pathname.indexOf(path + "/") === 0 || location.pathname.indexOf(path.replace(/s$/, "") + "/") === 0);
      if (path === location.pathname || under) { link.setAttribute("aria-current", "page"); }
      else { link.removeAttribute("aria-current"); }
    });
  }

  // An alert's link names a panel: bring it into view once, and mark it.
  var focused = "";
  function focus() {
    var asked = document.getElementById("focus");
    var name = asked ? asked.dataset.panel : "";
    var key = location.pathname + location.search;
    if (!asked) { focused = ""; }
    if (!name || focused === key) { return; }
    var panel = document.getElementById(name + "-panel");
    if (panel && panel.querySelector(".js-plotly-plot .plot-container")) {
      focused = key;
      panel.classList.add("is-asked");
      panel.scrollIntoView({ block: "center" });
    }
  }

  setInterval(function () { times(); connection(); filter(); here(); focus(); c.link(); }, 1000);
  setInterval(function () { here(); focus(); c.link(); }, 200);
  document.addEventListener("input", function (event) { if (event.target.id === "filter") { filter(); } });

  // ---- buttons that need no server
  function menu(open) {
    document.body.classList.toggle("has-menu", open);
    document.getElementById("menu").setAttribute("aria-expanded", String(open));
  }
  function copy(button) {
    function said(word) { button.textContent = word; setTimeout(function () { button.textContent = "Copy"; }, 2000); }
    if (!navigator.clipboard) { said("Select it"); return; } // a page without TLS may not write there
    navigator.clipboard.writeText(button.dataset.copy).then(function () { said("Copied"); }, function () { said("Select it"); });
  }
  document.addEventListener("click", function (event) {
    var target = event.target.closest("[data-constraint], [data-ask], #theme, #help-open, #help-close, .skip, #menu, a.nav, [data-copy], [data-review]");
    if (!target) { return; }
    if (target.id === "menu" || target.matches("a.nav")) {
      menu(target.id === "menu" && !document.body.classList.contains("has-menu"));
    } else if (target.dataset.copy) {
      copy(target);
    } else if (target.dataset.review) {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) { return; } // a tab of its own
      event.preventDefault();
      window.dash_clientside.set_props("review-item", { data: target.dataset.review });
      window.scrollTo(0, 0);
    } else if (target.dataset.constraint) {
      window.dash_clientside.set_props("constraint", { data: target.dataset.constraint });
      c.address({ constraint: target.dataset.constraint });
    } else if (target.dataset.ask) {
      var on = JSON.parse(target.dataset.on);
      window.dash_clientside.set_props("asked", { data: { what: target.dataset.ask, on: on, at: performance.now() } });
    } else if (target.id === "theme") {
      var dark = document.documentElement.getAttribute("data-mantine-color-scheme") !== "dark";
      document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
      try { localStorage.setItem("mantine-color-scheme-value", dark ? "dark" : "light"); } catch (error) { /* storage is off */ }
    } else if (target.id === "help-open") {
      document.getElementById("help").showModal();
    } else if (target.id === "help-close") {
      document.getElementById("help").close();
    } else {
      event.preventDefault();
      document.getElementById("main").focus();
    }
  });

  // ---- keys
  var prefix = "";
  function rows() {
    return Array.from(document.querySelectorAll("[data-row]")).filter(function (row) { return row.offsetParent !== null; });
  }
  function step(by) {
    var all = rows();
    if (!all.length) { return; }
    var at = all.findIndex(function (row) { return row.contains(document.activeElement); });
    var next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
    var anchor = next.querySelector("a, summary, button") || next;
    anchor.focus();
    next.scrollIntoView({ block: "nearest" });
  }
  function open(path) {
    var anchor = document.querySelector('a.nav[href="' + path + '"]');
    if (anchor) { anchor.click(); }
  }
  function range() {
    var options = Array.from(document.querySelectorAll(".range input:not([value=custom])"));
    var at = options.findIndex(function (option) { return option.checked; });
    if (options.length) { options[(at + 1) % options.length].click(); }
  }
  document.addEventListener("keydown", function (event) {
    var typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && event.target.type !== "radio";
    if (event.key === "Escape" && typing && event.target.id === "filter") { event.target.blur(); }
    if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("[role=dialog]")) { return; }
    var key = prefix + event.key;
    prefix = event.key === "g" ? "g " : "";
    var actions = {
      "/": function () { var field = document.getElementById("filter"); if (field) { field.focus(); } },
      "?": function () { document.getElementById("help").showModal(); },
      j: function () { step(1); },
      k: function () { step(-1); },
      t: range,
      z: c.back,
      u: function () { document.getElementById("zone-switch").click(); },
      p: function () { document.getElementById("pause").click(); },
      "g o": function () { open("/"); },
      "g a": function () { open("/alerts"); },
      "g i": function () { open("/incidents"); },
      "g l": function () { open("/rollouts"); },
      "g v": function () { open("/reviews"); },
      "g r": function () { open("/readiness"); },
      "g p": function () { open("/operations"); }
    };
    // a button may name the key that presses it
    var named = document.querySelector('[data-key="' + CSS.escape(key) + '"]');
    if (named && named.offsetParent !== null && !named.disabled) { event.preventDefault(); named.click(); return; }
    if (actions[key]) { event.preventDefault(); actions[key](); }
  });
})();
