// The theme's icon script would replace the <i> of ipywidgets' play button by an <svg>, and the widget
// then looks in vain for the <i> whose class it changes. Loaded before that script, this lets it
// replace what the page has at first, but not what is added later; ipywidgets brings its own icons.
window.FontAwesomeConfig = { observeMutations: false };
