// Before the first paint: light or dark as chosen here before, else as the system says.
(function () {
  var chosen = null;
  try { chosen = localStorage.getItem("mantine-color-scheme-value"); } catch (error) { /* storage is off: follow the system */ }
  var dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");

  // Whether the server still answers: the page must say so when it does not, because it then shows old data.
  var fetched = window.fetch;
  window.checkrein = { answered: performance.now(), failures: 0 };
  window.fetch = function () {
    return fetched.apply(this, arguments).then(
      function (response) {
        if (response.status < 500) { window.checkrein.answered = performance.now(); window.checkrein.failures = 0; }
        else { window.checkrein.failures += 1; }
        return response;
      },
      function (error) { window.checkrein.failures += 1; throw error; }
    );
  };
})();
