// The space-time diagram: hosts are lanes, time goes to the right, a message is a slanted line from its sending to its arrival.
(() => {
  const messages = JSON.parse(document.getElementById('messages').textContent); // [sent us, takes us, from, to, lost, words], by arrival
  const canvas = document.getElementById('lanes'), box = document.getElementById('fields');
  const find = document.getElementById('mfind'), note = document.getElementById('mcount');
  const pen = canvas.getContext('2d'), LEFT = 60, LANE = 30, HIT = 6;
  const kindOf = m => (m[5].match(/[A-Z][A-Z_]+/) || ['?'])[0];
  const hue = k => { let h = 7; for (const c of k) h = (h * 31 + c.charCodeAt(0)) % 360; return h; };
  const kinds = messages.map(kindOf), tones = {};
  kinds.forEach(k => tones[k] = `hsl(${hue(k)} 65% 48%)`);
  const arrival = m => m[0] + m[1];
  const longest = messages.reduce((a, m) => Math.max(a, m[1]), 0);
  const all = [0, Math.max(d.end_ms * 1000, 1)];
  let [from, to] = all, chosen = -1, hits = [], shown = null;
  const lanes = d.hosts.length, height = lanes * LANE + 20;

  const y = host => 16 + host * LANE, x = t => LEFT + (t - from) / (to - from) * (canvas.clientWidth - LEFT);
  const time = px => from + (px - LEFT) / (canvas.clientWidth - LEFT) * (to - from);
  const first = t => { let a = 0, b = messages.length; while (a < b) { const m = a + b >> 1; arrival(messages[m]) < t ? a = m + 1 : b = m; } return a; };

  function filter() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = words.length ? messages.map(m => { const s = `${d.hosts[m[2]]} ${d.hosts[m[3]]} ${m[4] ? 'lost' : ''} ${m[5]}`.toLowerCase(); return words.every(w => s.includes(w)); }) : null;
    draw();
  }
  function draw() {
    const w = canvas.clientWidth, r = devicePixelRatio || 1, css = getComputedStyle(document.body);
    canvas.width = w * r; canvas.height = height * r; canvas.style.height = height + 'px';
    pen.setTransform(r, 0, 0, r, 0, 0); pen.font = '11px system-ui';
    const tone = { up: '#2a9d5c55', paused: '#d9922e88', down: '#c8363f88' };
    d.spans.forEach(([h, a, b, s]) => { const p = Math.max(LEFT, x(a * 1000)), q = Math.min(w, x(b * 1000)); if (q > p) { pen.fillStyle = tone[s]; pen.fillRect(p, y(h) - 4, q - p, 8); } });
    // No two messages of one lane pair that would fall on the same pixel.
    const seen = new Set(); hits = []; let n = 0;
    for (let i = first(from), m; i < messages.length && arrival(m = messages[i]) <= to + longest; i++) {
      if (m[0] > to || shown && !shown[i]) continue;
      n++;
      const p = x(m[0]), q = x(arrival(m)), key = ((Math.round(p) * lanes + m[2]) * lanes + m[3]) * 2 + m[4];
      if (seen.has(key) && i !== chosen) continue;
      seen.add(key);
      hits.push([i, p, y(m[2]), q, y(m[3])]);
      pen.strokeStyle = m[4] ? '#c8363f' : tones[kinds[i]]; pen.lineWidth = i === chosen ? 3 : 1;
      pen.setLineDash(m[4] ? [3, 3] : []);
      pen.beginPath(); pen.moveTo(p, y(m[2])); pen.lineTo(q, y(m[3])); pen.stroke();
      if (m[4]) { const cx = (p + q) / 2, cy = (y(m[2]) + y(m[3])) / 2; pen.setLineDash([]); pen.beginPath(); pen.moveTo(cx - 4, cy - 4); pen.lineTo(cx + 4, cy + 4); pen.moveTo(cx + 4, cy - 4); pen.lineTo(cx - 4, cy + 4); pen.stroke(); }
    }
    pen.setLineDash([]); pen.lineWidth = 2; pen.strokeStyle = '#c8363f';
    r_violations().forEach(v => { const p = x(v.at_ms * 1000); if (p >= LEFT) { pen.beginPath(); pen.moveTo(p, 0); pen.lineTo(p, height); pen.stroke(); } });
    pen.clearRect(0, 0, LEFT - 4, height); pen.fillStyle = css.color;
    d.hosts.forEach((h, i) => pen.fillText(h, 4, y(i) + 4));
    pen.fillText((from / 1e6).toFixed(6) + ' s', LEFT, height - 1);
    const end = (to / 1e6).toFixed(6) + ' s'; pen.fillText(end, w - pen.measureText(end).width, height - 1);
    note.textContent = `${n} of ${messages.length} messages here, ${hits.length} drawn` + (d.messages_more ? `; ${d.messages_more} later ones were not kept` : '');
  }
  const r_violations = () => d.result.violations;
  function view(a, b) {
    const span = Math.min(Math.max(b - a, 1), all[1]);
    from = Math.min(Math.max(a, 0), all[1] - span); to = from + span;
    draw();
  }
  function zoom(factor, at) { view(at - (at - from) * factor, at + (to - at) * factor); }
  function choose(i) {
    chosen = i;
    const m = messages[i];
    box.textContent = m ? `${d.hosts[m[2]]} -> ${d.hosts[m[3]]}, sent at ${(m[0] / 1000).toFixed(3)} ms, ${m[4] ? 'lost' : `arrived after ${m[1]} us`}\n${m[5]}` : '';
    draw();
  }
  canvas.addEventListener('wheel', e => { e.preventDefault(); zoom(e.deltaY > 0 ? 1.3 : 1 / 1.3, time(e.offsetX)); }, { passive: false });
  let grip = null;
  canvas.addEventListener('pointerdown', e => { grip = [e.offsetX, from, to, false]; canvas.setPointerCapture(e.pointerId); });
  canvas.addEventListener('pointermove', e => {
    if (!grip || Math.abs(e.offsetX - grip[0]) < 3 && !grip[3]) return;
    grip[3] = true;
    const by = (e.offsetX - grip[0]) / (canvas.clientWidth - LEFT) * (grip[2] - grip[1]);
    view(grip[1] - by, grip[2] - by);
  });
  canvas.addEventListener('pointerup', e => {
    const moved = grip && grip[3]; grip = null;
    if (moved) return;
    let best = HIT, which = -1;
    for (const [i, px, py, qx, qy] of hits) {
      const dx = qx - px, dy = qy - py, s = Math.min(1, Math.max(0, ((e.offsetX - px) * dx + (e.offsetY - py) * dy) / (dx * dx + dy * dy || 1)));
      const far = Math.hypot(e.offsetX - px - s * dx, e.offsetY - py - s * dy);
      if (far < best) { best = far; which = i; }
    }
    choose(which);
  });
  canvas.addEventListener('keydown', e => {
    const step = (to - from) / 5, middle = (from + to) / 2;
    const act = { ArrowLeft: () => view(from - step, to - step), ArrowRight: () => view(from + step, to + step), '+': () => zoom(0.5, middle), '-': () => zoom(2, middle), 0: () => view(...all) }[e.key];
    if (act) { e.preventDefault(); act(); }
  });
  const follow = () => { const t = /#t=([\d.]+)/.exec(location.hash); if (t) view(t[1] * 1e6 - 5e4, t[1] * 1e6 + 5e4); };
  addEventListener('hashchange', follow); addEventListener('resize', draw); find.oninput = filter;
  draw(); follow();
})();
