// What is told of the photo that is shown, buttons and keys, and the first showing.

function show() {
  const photo = current();
  $("main").hidden = !photo;
  $("empty").hidden = Boolean(photo);
  tell();
  if (!photo) return;
  $("place").textContent = `${count(at + 1)} of ${count(shown.length)}`;
  $("name").textContent = photo.n;
  $("verdict").textContent = isSuggested(photo) ? "Try this" : "Leave it as it is";
  $("steps").replaceChildren(...photo.s.map(([what, brings]) => {
    const item = document.createElement("li"), done = document.createElement("b");
    const brought = document.createElement("span");
    done.textContent = what;
    brought.textContent = brings;
    item.append(done, brought);
    return item;
  }));
  const before = photo.e.before.toFixed(2), after = photo.e.after.toFixed(2);
  $("gain").textContent = isSuggested(photo)
    ? `Professional with probability ${before} before, ${after} after.`
    : `No edit is expected to make it clearly better. Professional with probability ${before}.`;
  $("decide").hidden = !isSuggested(photo);
  $("previous").disabled = at === 0;
  $("next").disabled = at === shown.length - 1;
  showPictures(photo);
  preload(shown[at + 1]);
}

function tell() {
  const photo = current();
  $("status").textContent = `${count(accepted.size)} accepted, ${count(declined.size)} declined`;
  $("export").disabled = accepted.size === 0;
  $("accept").setAttribute("aria-pressed", accepted.has(photo));
  $("decline").setAttribute("aria-pressed", declined.has(photo));
}

function preload(photo) {
  if (photo?.b) for (const url of urls(photo)) new Image().src = url;
}

function step(by) {
  if (!shown[at + by]) return;
  at += by;
  $("saved").hidden = true;
  keep();
  show();
}

function decideAndGoOn(into) {
  const photo = current();
  if (!photo || !isSuggested(photo)) return;
  decide(photo, into);
  if (at < shown.length - 1) step(1); else tell();
}

function lookAlone() {
  if (!current()?.b || !isSuggested(current())) return;
  isAlone = !isAlone;
  arrange();
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([chosen()], { type: "application/json" }));
  link.download = settings.chosen;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  $("saved").hidden = false;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || $("about").open) return;
  const isControl = event.target.closest("button, select");
  if (event.target.closest("select")) return;
  const key = event.key.toLowerCase();
  if (key === "j" || key === "arrowright") step(1);
  else if (key === "k" || key === "arrowleft") step(-1);
  else if (key === "a" || (key === "enter" && !isControl)) decideAndGoOn(accepted);
  else if (key === "x") decideAndGoOn(declined);
  else if (key === "v") lookAlone();
  else if (key === "?") $("about").showModal();
  else return;
  event.preventDefault();
});
$("filter").onchange = () => { choose(); show(); };
$("accept").onclick = () => decideAndGoOn(accepted);
$("decline").onclick = () => decideAndGoOn(declined);
$("alone").onclick = lookAlone;
$("previous").onclick = () => step(-1);
$("next").onclick = () => step(1);
$("export").onclick = save;
$("help").onclick = () => $("about").showModal();

restore();
show();
